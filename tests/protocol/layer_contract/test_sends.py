"""Sends to channels."""

from __future__ import annotations

import asyncio

from tests.protocol.layer_contract.effects import (
    JOBS,
)
from tests.protocol.layer_harness import Cluster, body
from trunkline.protocol.messages import (
    ChannelSend,
)


async def test_what_a_handler_sends_to_a_channel_is_delivered(cluster: Cluster) -> None:
    worker = await cluster.worker(JOBS)

    await worker.apply(ChannelSend(JOBS, body("job")))

    delivery = await worker.take_one()
    assert (delivery.channel, delivery.body, delivery.attempt) == (JOBS, body("job"), 1)
    assert await worker.finish(delivery) == 1


async def test_a_delayed_send_becomes_due(cluster: Cluster) -> None:
    worker = await cluster.worker(JOBS)
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    binary = b"\x01 a b\n\x00c "

    await worker.apply(
        ChannelSend(JOBS, binary, 400), ChannelSend(JOBS, body("sooner"), 100), ChannelSend(JOBS, body("now"))
    )

    assert [delivery.body for delivery in await worker.take(3)] == [body("now"), body("sooner"), binary]
    assert loop.time() - start_s >= 0.39


async def test_a_send_to_a_full_channel_becomes_a_dead_letter(cluster_of_two: Cluster) -> None:
    worker = await cluster_of_two.worker(JOBS)
    await worker.apply(*(ChannelSend(JOBS, body(str(number))) for number in range(3)))

    (letter,) = await cluster_of_two.operator.dead_letters()

    assert (letter.reason, letter.channel, letter.body) == ("channel_full", JOBS, body("2"))
    assert letter.error
    assert len(await worker.take(2)) == 2
    assert await cluster_of_two.operator.redrive(letter.id)
    assert (await worker.take_one()).body == body("2")

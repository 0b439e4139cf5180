"""Sends to channels."""

from __future__ import annotations

from tests.protocol.layer_contract.effects import JOBS
from tests.protocol.layer_harness import Cluster, body
from trunkline.protocol.codec import decode_entry
from trunkline.protocol.messages import ChannelSend


async def test_what_a_handler_sends_to_a_channel_is_delivered(cluster: Cluster) -> None:
    worker = await cluster.worker(JOBS)

    await worker.apply(ChannelSend(JOBS, body("job")))

    delivery = await worker.take_one()
    assert (delivery.channel, delivery.body, delivery.attempt) == (JOBS, body("job"), 1)
    assert await worker.finish(delivery) == 1


async def test_a_send_to_a_full_channel_becomes_a_dead_letter(cluster_of_two: Cluster) -> None:
    worker = await cluster_of_two.worker(JOBS)
    await worker.apply(*(ChannelSend(JOBS, body(str(number))) for number in range(3)))

    (letter,) = await cluster_of_two.operator.dead_letters()

    assert (letter.reason, letter.channel, letter.body) == ("channel_full", JOBS, body("2"))
    assert letter.error
    for delivery in await worker.take(2):
        await worker.finish(delivery)
    assert (await cluster_of_two.operator.redrive(letter.id)).outcome == "put_back"
    assert decode_entry(JOBS, (await worker.take_one()).body).events == [{"text": "2"}]

"""Sending from outside a handler, through a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.protocol.layer_harness import Interface, Worker, lease_info
from tests.support.fake_worker_layer import Desk, frames, letters
from trunkline.protocol.codec import decode_entry
from trunkline.protocol.errors import ConfigError, LayerUnavailable, MessageError
from trunkline.protocol.names import ChannelName
from trunkline.protocol.redis_layer import RedisInterfaceLayer, RedisOperatorLayer, RedisWorkerLayer
from trunkline.protocol.settings import LayerSettings
from trunkline.worker import Channel, Group, Message, effect_log, outside, route


@pytest.fixture
async def interface(layer_settings: LayerSettings) -> AsyncIterator[Interface]:
    """An interface server with one connection in the group ``room``."""
    found = Interface(RedisInterfaceLayer(layer_settings))
    await found.layer.open(lease_info(found.id, "interface"), found)
    yield found
    await found.layer.close()


@pytest.fixture
async def worker(layer_settings: LayerSettings) -> AsyncIterator[Worker]:
    """A worker of the channel ``work``."""
    found = Worker(RedisWorkerLayer(layer_settings))
    await found.layer.open(lease_info(found.id, "worker"), [ChannelName("work")], found)
    yield found
    await found.layer.close()


async def test_groups_connections_and_channels_are_reached_in_order(
    layer_settings: LayerSettings, interface: Interface, worker: Worker
) -> None:
    await worker.apply(interface.add("room", "c1"))

    def send() -> None:
        with outside(layer_settings.redis_url, layer_settings.prefix):
            Group("room").send({"text": "1"})
            Channel("work").send({"job": 7})
            Group("room").send({"text": "2"})

    await asyncio.to_thread(send)
    assert await interface.receive(2) == ["1", "2"]
    entry = decode_entry(ChannelName("work"), (await worker.take_one()).body)
    assert entry.events == [{"job": 7}]


async def test_variables_say_where_redis_is(
    layer_settings: LayerSettings, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUNKLINE_REDIS_URL", layer_settings.redis_url)
    monkeypatch.setenv("TRUNKLINE_PREFIX", layer_settings.prefix)
    with outside():
        Channel("work").send({"job": 1})
    assert (await worker.take_one()).attempt == 1


async def test_nothing_is_sent_if_the_block_raises(layer_settings: LayerSettings, worker: Worker) -> None:
    with (
        pytest.raises(KeyError),
        outside(layer_settings.redis_url, layer_settings.prefix),
    ):
        Channel("work").send({"job": "never"})
        raise KeyError
    operator = RedisOperatorLayer(layer_settings)
    stats = await operator.stats()
    await operator.close()
    assert {found.channel: found.length for found in stats.channels}[ChannelName("work")] == 0


def test_a_block_that_sends_nothing_needs_no_redis() -> None:
    with outside("redis://127.0.0.1:1/0"):
        pass


def test_a_redis_that_is_away_is_told_at_the_end() -> None:
    with pytest.raises(LayerUnavailable, match="cannot send"), outside("redis://127.0.0.1:1/0"):
        Channel("work").send({"job": 1})


def test_more_than_one_call_takes_is_refused_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effect_log, "MAX_EFFECTS", 2)
    said = "3 messages and group changes at once: expected at most 2"
    with pytest.raises(MessageError, match=said), outside("redis://127.0.0.1:1/0"):
        for number in range(3):
            Channel("work").send({"job": number})


@pytest.mark.parametrize(
    ("url", "prefix", "said"), [("http://x", None, "--redis-url"), ("redis://x", "a{b", "--prefix")]
)
def test_a_wrong_value_is_named(url: str, prefix: str | None, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"outside\(\): {said}"), outside(url, prefix):
        raise AssertionError("the block ran")


def test_after_the_block_nothing_can_be_sent() -> None:
    with outside("redis://127.0.0.1:1/0"):
        pass
    with pytest.raises(MessageError, match="outside of any handler"):
        Group("room").send({"text": "x"})


async def test_within_a_handler_it_is_refused() -> None:
    def handler(message: Message) -> None:
        with outside("redis://127.0.0.1:1/0"):
            raise AssertionError("the block ran")

    desk = Desk([route("websocket.receive", handler)])
    (letter,) = letters(await desk.effects(frames("x")))
    assert letter.error.startswith("MessageError: outside() inside a handler")


async def test_what_a_handler_started_may_use_it_when_the_handler_has_ended(
    layer_settings: LayerSettings, worker: Worker
) -> None:
    go_on = asyncio.Event()

    async def later() -> None:
        await go_on.wait()
        with outside(layer_settings.redis_url, layer_settings.prefix):
            Channel("work").send({"job": "later"})

    started: list[asyncio.Task[None]] = []

    def handler(message: Message) -> None:
        started.append(asyncio.get_running_loop().create_task(later()))

    desk = Desk([route("websocket.receive", handler)])
    await desk.effects(frames("x"))
    go_on.set()
    await started[0]
    assert (await worker.take_one()).channel == "work"

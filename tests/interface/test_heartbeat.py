"""The wheel behind all heartbeats."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.interface.conftest import MakeRig, Ticks
from tests.support.client_frames import RawClient, frame
from tests.support.fake_layer import disconnects
from tests.support.waiting import until
from trunkline.interface.frames import PONG, TEXT
from trunkline.interface.heartbeat import ABORT, PING, SILENT, UNSCHEDULED, Rhythm, Wheel, beat
from trunkline.protocol.names import DISCONNECT


class Item:
    """Something in a wheel."""

    def __init__(self, again: int = 0) -> None:
        self.slot = UNSCHEDULED
        self.again = again
        self.seen: list[int] = []

    def due(self, now: int) -> int:
        self.seen.append(now)
        return self.again


def turned(wheel: Wheel[Item], times: int) -> None:
    for _ in range(times):
        wheel.turn()


def test_an_item_is_looked_at_in_its_tick_and_again_as_long_as_it_wants() -> None:
    wheel: Wheel[Item] = Wheel()
    once, often = Item(), Item(again=2)
    wheel.put(once, 3)
    wheel.put(often, 0)

    turned(wheel, 5)

    assert once.seen == [3]
    assert often.seen == [1, 3, 5]
    assert len(wheel) == 1
    assert wheel.items() == [often]


def test_an_item_stands_in_one_slot_only() -> None:
    wheel: Wheel[Item] = Wheel()
    item, other = Item(), Item()
    wheel.put(item, 5)
    wheel.put(other, 5)
    wheel.put(item, 2)

    turned(wheel, 5)

    assert (item.seen, other.seen) == ([2], [5])


def test_a_removed_item_is_never_looked_at() -> None:
    wheel: Wheel[Item] = Wheel()
    item = Item()
    wheel.put(item, 1)

    wheel.remove(item)
    wheel.remove(item)
    turned(wheel, 2)

    assert item.seen == []
    assert len(wheel) == 0


@given(st.lists(st.integers(1, 30), max_size=30))
def test_every_item_is_seen_exactly_once_in_its_tick(ticks: list[int]) -> None:
    wheel: Wheel[Item] = Wheel()
    items = [(Item(), tick) for tick in ticks]
    for item, tick in items:
        wheel.put(item, tick)

    turned(wheel, 31)

    assert all(item.seen == [tick] for item, tick in items)


def test_a_quiet_connection_is_pinged_and_then_given_up() -> None:
    rhythm = Rhythm(25, 20, 5)

    assert (rhythm.tick_s, rhythm.interval, rhythm.timeout, rhythm.close) == (1.0, 25, 20, 5)
    assert rhythm.decide(heard=100, now=110) == 15
    assert rhythm.decide(heard=100, now=125) == PING
    assert rhythm.decide(heard=SILENT, now=145) == ABORT


def test_a_tick_is_short_enough_for_short_times() -> None:
    rhythm = Rhythm(2, 0.4, 5)

    assert rhythm.tick_s == pytest.approx(0.1)
    assert rhythm.interval == 20


async def test_the_task_turns_the_wheel_each_tick() -> None:
    wheel: Wheel[Item] = Wheel()
    ticks = Ticks()
    task = asyncio.create_task(beat(wheel, 1.0, ticks.sleep))

    await ticks.turn(3)

    assert wheel.now == 3
    task.cancel()
    await asyncio.wait([task])


async def test_a_client_that_sends_nothing_is_pinged_and_cut_off(make_rig: MakeRig) -> None:
    ticks = Ticks()
    rig = await make_rig(ticks=ticks, ping_interval_s=4, ping_timeout_s=4, close_timeout_s=4)
    async with RawClient(*rig.address) as client:
        await client.upgrade()

        await ticks.turn(4)
        assert await client.receive() == (0x89, b"")
        await ticks.turn(4)

        assert await client.ended()
    await rig.layer.entry(DISCONNECT)
    assert disconnects(rig.layer)[0][1] == 1006


async def test_only_received_data_counts_as_life(make_rig: MakeRig) -> None:
    ticks = Ticks()
    rig = await make_rig(ticks=ticks, ping_interval_s=4, ping_timeout_s=4, close_timeout_s=4)
    async with RawClient(*rig.address) as client:
        await client.upgrade()

        # What we send says nothing: the ping comes all the same.
        rig.connections()[0].send("from us")
        await ticks.turn(4)
        assert await client.receive() == (0x81, b"from us")
        assert await client.receive() == (0x89, b"")

        # Any byte received does, a pong or half a frame too.
        client.send(frame(PONG)[:3])
        await until(lambda: rig.connections()[0].heard != SILENT)
        await ticks.turn(7)
        assert await client.receive() == (0x89, b"")
        client.send(frame(PONG)[3:] + frame(TEXT, b"alive"))
        assert await client.receive() == (0x81, b"alive")
        assert disconnects(rig.layer) == []


async def test_a_socket_that_we_do_not_read_is_not_blamed(make_rig: MakeRig) -> None:
    ticks = Ticks()
    rig = await make_rig(ticks=ticks, ping_interval_s=4, ping_timeout_s=4, close_timeout_s=4)
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        rig.layer.receiver.away()

        await ticks.turn(20)
        rig.layer.receiver.back()
        client.send(frame(TEXT, b"still here"))

        assert await client.receive() == (0x81, b"still here")

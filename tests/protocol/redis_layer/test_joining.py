"""Groups that an interface server enters by itself."""

from __future__ import annotations

import asyncio

import pytest

from tests.protocol.redis_layer.conftest import Faulty
from tests.support.waiting import until
from trunkline.protocol.layer import Holdings
from trunkline.protocol.names import GroupName, Keys
from trunkline.protocol.redis_layer import RedisInterfaceLayer
from trunkline.protocol.redis_layer.joining import JOIN_CHUNK, Joining
from trunkline.protocol.redis_layer.link import Link
from trunkline.protocol.redis_layer.standing import Standing

ROOM = GroupName("room")
CALLS = "trunkline-interface"
"""Client name of the connection that carries calls."""


async def test_it_is_in_the_group_once_it_is_told_so(faulty: Faulty) -> None:
    interface = await faulty.interface()
    done = asyncio.Event()

    interface.layer.join_group(ROOM, "0-1", done.set)
    await asyncio.wait_for(done.wait(), 5)

    assert faulty.client.hget(faulty.keys.group(ROOM), interface.id) == b"0-1"
    assert faulty.client.smembers(faulty.keys.groups_of(interface.id)) == {b"room"}
    interface.layer.leave_group(ROOM, "0-1")
    await until(lambda: not faulty.client.exists(faulty.keys.group(ROOM)), 5, "it has left the group")


async def test_an_add_that_is_on_its_way_keeps_its_token(faulty: Faulty) -> None:
    interface = await faulty.interface()
    faulty.client.hset(faulty.keys.group(ROOM), interface.id, "1700000000000-0")
    done = asyncio.Event()

    interface.layer.join_group(ROOM, "0-7", done.set)
    await asyncio.wait_for(done.wait(), 5)

    assert faulty.client.hget(faulty.keys.group(ROOM), interface.id) == b"1700000000000-0"


async def test_what_has_no_answer_is_asked_again_on_a_new_connection(faulty: Faulty) -> None:
    interface = await faulty.interface()
    done = asyncio.Event()
    faulty.cut([CALLS])
    await until(lambda: "away" in interface.told, 5, "the connection is gone")

    interface.layer.join_group(ROOM, "0-1", done.set)
    await asyncio.wait_for(done.wait(), 10)

    assert faulty.client.hget(faulty.keys.group(ROOM), interface.id) == b"0-1"


async def test_what_is_refused_is_asked_again_at_the_next_renewal(faulty: Faulty) -> None:
    interface = await faulty.interface()
    faulty.client.set(faulty.keys.group(ROOM), "no hash")
    done = asyncio.Event()

    interface.layer.join_group(ROOM, "0-1", done.set)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(done.wait(), 0.2)
    faulty.client.delete(faulty.keys.group(ROOM))

    await asyncio.wait_for(done.wait(), 10)


async def test_who_has_left_again_is_not_told(faulty: Faulty) -> None:
    interface = await faulty.interface()
    told: list[str] = []

    interface.layer.join_group(ROOM, "0-1", lambda: told.append("first"))
    interface.layer.leave_group(ROOM, "0-1")
    interface.layer.join_group(ROOM, "0-2", lambda: told.append("second"))

    await until(lambda: bool(told), 5, "the second join is answered")
    assert told == ["second"]
    assert faulty.client.hget(faulty.keys.group(ROOM), interface.id) == b"0-2"


async def test_a_redis_that_took_over_is_told_of_all_groups_again(faulty: Faulty) -> None:
    interface = await faulty.interface()
    interface.held = Holdings({}, {ROOM: "0-1"})
    done = asyncio.Event()
    interface.layer.join_group(ROOM, "0-1", done.set)
    await asyncio.wait_for(done.wait(), 5)

    # As behind a promotion that has lost the join and nothing else.
    faulty.client.delete(faulty.keys.group(ROOM))
    assert isinstance(interface.layer, RedisInterfaceLayer)
    interface.layer._recovery._mark = "another Redis"
    faulty.cut([CALLS])

    await until(
        lambda: faulty.client.hget(faulty.keys.group(ROOM), interface.id) == b"0-1", 10, "it is told again"
    )


def test_many_joins_go_in_several_calls() -> None:
    class Sent(Link):
        def __init__(self) -> None:
            self.calls: list[int] = []

        def call(self, command: object, callback: object) -> bool:
            assert isinstance(command, list)
            self.calls.append((len(command) - 8) // 2)
            return True

    link, standing = Sent(), Standing()
    joining = Joining(Keys(), link, standing)
    for number in range(JOIN_CHUNK + 1):
        joining.join(GroupName(f"g{number}"), f"0-{number}", lambda: None)
    assert link.calls == []

    joining.send_again()
    assert link.calls == [JOIN_CHUNK, 1]

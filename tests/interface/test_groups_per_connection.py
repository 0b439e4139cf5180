"""How many groups a connection may be in, and what becomes of one that a handler wants in more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interface.conftest import MakeRig
from tests.support.client_frames import RawClient, frame
from tests.support.fake_layer import ACCEPT, connection_of, disconnects, echo
from tests.support.waiting import until
from trunkline.protocol.codec import GROUP_ADD, GROUP_DISCARD, GROUP_SEND, RELEASE
from trunkline.protocol.messages import Entry
from trunkline.protocol.names import CONNECT, DISCONNECT, ConnectionId


async def test_one_group_too_many_closes_with_1008_and_every_group_is_left(
    make_rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    rig = await make_rig(groups_per_connection=3)
    async with RawClient(*rig.address) as greedy, RawClient(*rig.address) as other:
        await greedy.upgrade()
        greedy_id = rig.connections()[0].id
        await other.upgrade()
        other_id = rig.connections()[1].id
        rig.layer.mail([GROUP_ADD, "g0", other_id])

        token = rig.layer.mail(*([GROUP_ADD, f"g{number}", greedy_id] for number in range(6)))

        assert await greedy.receive() == (0x88, (1008).to_bytes(2, "big") + b"in too many groups")
        assert sorted(rig.layer.left) == [(f"g{number}", token) for number in range(1, 6)]
        assert rig.turned_away("groups") == 1
        assert "turning clients away reason=groups" in caplog.text
        greedy.send(frame(8, (1008).to_bytes(2, "big")))
        await rig.layer.entry(DISCONNECT)
        assert disconnects(rig.layer) == [(greedy_id, 1008)]

        rig.layer.mail([GROUP_SEND, "g0", "undisturbed"])
        assert await other.receive() == (0x81, b"undisturbed")


async def test_who_leaves_a_group_may_join_another_and_joining_twice_counts_once(make_rig: MakeRig) -> None:
    rig = await make_rig(groups_per_connection=2)
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        member = rig.connections()[0].id
        for number in range(10):
            rig.layer.mail([GROUP_ADD, "home", member])
            rig.layer.mail([GROUP_ADD, f"g{number}", member])
            rig.layer.mail([GROUP_DISCARD, f"g{number}", member])

        rig.layer.mail([GROUP_SEND, "home", "still here"])
        assert await client.receive() == (0x81, b"still here")
        assert rig.turned_away("groups") == 0


@pytest.mark.parametrize("accepted", [True, False])
async def test_a_connect_handler_that_joins_too_many_has_its_handshake_refused(
    make_rig: MakeRig, accepted: bool
) -> None:
    def joins(entry: Entry, connection: ConnectionId) -> list[list[Any]] | None:
        if entry.channel != CONNECT:
            return echo(entry, connection)
        adds: list[list[Any]] = [[GROUP_ADD, f"g{number}", connection] for number in range(5)]
        return [*adds, [RELEASE, connection, entry.seq, [ACCEPT if accepted else {"accept": False}]]]

    rig = await make_rig(joins, groups_per_connection=2)
    async with RawClient(*rig.address) as client:
        assert (await client.upgrade()).startswith("HTTP/1.1 403 ")
    assert rig.turned_away("groups") == 1
    assert sorted(group for group, _ in rig.layer.left) == [f"g{number}" for number in range(5)]
    # Who was accepted must hear that nobody is there.
    if accepted:
        assert connection_of(await rig.layer.entry(DISCONNECT)) == connection_of(rig.layer.entries[0])
    await until(lambda: rig.connections() == [])


async def test_with_0_there_is_no_limit(make_rig: MakeRig) -> None:
    rig = await make_rig(groups_per_connection=0)
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        member = rig.connections()[0].id
        rig.layer.mail(*([GROUP_ADD, f"g{number}", member] for number in range(3000)))

        rig.layer.mail([GROUP_SEND, "g2999", "in all of them"])
        assert await client.receive() == (0x81, b"in all of them")

"""What one lease holds: the layer's calls and what they do to sockets and groups."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.interface.conftest import MakeRig, Rig
from tests.support.client_frames import RawClient, frame
from tests.support.fake_layer import ACCEPT, connection_of, disconnects, echo, silent
from tests.support.waiting import until
from trunkline.interface.frames import TEXT
from trunkline.protocol.codec import GROUP_ADD, GROUP_DISCARD, GROUP_SEND, RELEASE, SEND, decode_entry
from trunkline.protocol.messages import LAST_SEQ, Entry
from trunkline.protocol.names import CONNECT, DISCONNECT, RECEIVE, REQUEST, ConnectionId, GroupName

ROOM = GroupName("room")


def keeps_frames(entry: Entry, connection: ConnectionId) -> list[list[Any]] | None:
    """Echoes, but leaves what clients send in flight."""
    return None if entry.channel == RECEIVE else echo(entry, connection)


async def test_members_of_a_group_hear_and_others_do_not(rig: Rig) -> None:
    async with RawClient(*rig.address) as in_it, RawClient(*rig.address) as out_of_it:
        await in_it.upgrade()
        member = rig.connections()[0].id
        await out_of_it.upgrade()

        rig.layer.mail([GROUP_ADD, ROOM, member])
        rig.layer.mail([GROUP_SEND, ROOM, "to the room"])
        rig.layer.mail([GROUP_SEND, "nobody is here", "lost"])
        out_of_it.send(frame(TEXT, b"mine"))

        assert await in_it.receive() == (0x81, b"to the room")
        assert await out_of_it.receive() == (0x81, b"mine")


async def test_the_last_member_that_goes_leaves_the_group_with_the_newest_token(rig: Rig) -> None:
    async with RawClient(*rig.address) as first, RawClient(*rig.address) as second:
        await first.upgrade()
        await second.upgrade()
        ids = [connection.id for connection in rig.connections()]
        rig.layer.mail([GROUP_ADD, ROOM, ids[0]])
        token = rig.layer.mail([GROUP_ADD, ROOM, ids[1]])

        rig.layer.mail([GROUP_DISCARD, ROOM, ids[0]])
        rig.layer.mail([GROUP_DISCARD, ROOM, "unknown"])
        assert rig.layer.left == []

    await rig.layer.until(lambda: rig.layer.left == [(ROOM, token)])


async def test_the_last_discard_leaves_the_group(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        member = rig.connections()[0].id
        token = rig.layer.mail([GROUP_ADD, ROOM, member])
        rig.layer.mail([GROUP_DISCARD, ROOM, member])
        assert rig.layer.left == [(ROOM, token)]


async def test_an_add_for_a_connection_that_has_gone_leaves_the_group_again(rig: Rig) -> None:
    token = rig.layer.mail([GROUP_ADD, ROOM, "gone"])
    assert rig.layer.left == [(ROOM, token)]

    async with RawClient(*rig.address) as client:
        await client.upgrade()
        rig.layer.mail([GROUP_ADD, ROOM, rig.connections()[0].id])
        rig.layer.mail([GROUP_ADD, ROOM, "gone"])
        assert len(rig.layer.left) == 1


async def test_a_group_is_not_left_if_somebody_joins_behind_the_last_who_left_in_one_entry(rig: Rig) -> None:
    """All adds of an entry have one token, so a leave with it would take the interface out for the later member too."""
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        member = rig.connections()[0].id
        rig.layer.mail([GROUP_ADD, ROOM, "gone"], [GROUP_ADD, ROOM, member])
        assert rig.layer.left == []

        rig.layer.mail([GROUP_DISCARD, ROOM, member], [GROUP_SEND, ROOM, "lost"])
        token = rig.layer.mail([GROUP_ADD, ROOM, member], [GROUP_DISCARD, ROOM, member])
        assert rig.layer.left[1:] == [(ROOM, token)]


async def test_a_connection_that_is_closing_joins_nothing(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        connection = rig.connections()[0]
        connection.close(1000)
        token = rig.layer.mail([GROUP_ADD, ROOM, connection.id])
        assert rig.layer.left == [(ROOM, token)]


async def test_an_http_request_joins_no_group(make_rig: MakeRig) -> None:
    rig = await make_rig(silent)
    async with RawClient(*rig.address) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        token = rig.layer.mail([GROUP_ADD, ROOM, connection_of(await rig.layer.entry(REQUEST))])
        assert rig.layer.left == [(ROOM, token)]


async def test_what_is_for_nobody_is_dropped_and_counted(rig: Rig) -> None:
    rig.layer.mail([RELEASE, "unknown", 1, []], [SEND, "unknown", -1, "x"])
    assert rig.drops("gone") == 2


async def test_a_fault_with_one_connection_does_not_take_the_others_messages(
    rig: Rig, monkeypatch: Any
) -> None:
    async with RawClient(*rig.address) as broken, RawClient(*rig.address) as whole:
        await broken.upgrade()
        first = rig.connections()[0]
        await whole.upgrade()
        second = rig.connections()[1]
        assert rig.server.tenure is not None
        rig.server.tenure.recipients[first.id] = object()  # type: ignore[assignment]

        rig.layer.mail([SEND, first.id, -1, "x"], [SEND, second.id, -1, "arrives"])

        assert await whole.receive() == (0x81, b"arrives")
        assert rig.drops("fault") == 1
        rig.server.tenure.recipients[first.id] = first


async def test_while_the_layer_is_away_nothing_is_read_and_then_everything(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        rig.layer.receiver.away()
        assert rig.server.ready() == "the channel layer does not answer"
        assert rig.connections()[0].paused
        client.send(frame(TEXT, b"waits in the kernel"))
        assert rig.layer.of(RECEIVE) == []

        rig.layer.receiver.back()

        assert rig.server.ready() is None
        assert await client.receive() == (0x81, b"waits in the kernel")


async def test_what_a_lost_batch_held_is_published_again_until_it_is_released(make_rig: MakeRig) -> None:
    rig = await make_rig(keeps_frames)
    async with RawClient(*rig.address) as client, RawClient(*rig.address) as idle:
        await client.upgrade()
        await idle.upgrade()
        client.send(frame(TEXT, b"a"))
        entry = await rig.layer.entry(RECEIVE)

        rig.layer.receiver.republish(0, len(rig.layer.batches))
        again = await rig.layer.entry(RECEIVE, 1)
        assert again == entry
        assert rig.server.metrics.republished.value == 1

        rig.layer.release(entry)
        rig.layer.receiver.republish(0, len(rig.layer.batches))
        await asyncio.sleep(0)
        assert len(rig.layer.of(RECEIVE)) == 2


async def test_holdings_are_the_accepted_connections_and_the_groups_with_tokens(make_rig: MakeRig) -> None:
    rig = await make_rig(keeps_frames)
    async with RawClient(*rig.address) as client, RawClient(*rig.address) as undecided:
        await client.upgrade("/chat")
        accepted = rig.connections()[0]
        rig.layer.answer = silent
        await undecided.upgrade_blindly()
        await rig.layer.entry(CONNECT, 1)
        token = rig.layer.mail([GROUP_ADD, ROOM, accepted.id])

        holdings = rig.layer.receiver.holdings()

        assert holdings.groups == {ROOM: token}
        assert list(holdings.connections) == [accepted.id]
        entry = decode_entry(DISCONNECT, holdings.connections[accepted.id])
        assert (entry.reply, entry.path, entry.seq) == (accepted.reply, "/chat", LAST_SEQ)
        assert entry.events == [{"code": 1006, "reason": ""}]


async def test_a_disconnect_on_its_way_is_published_again_and_its_connection_not_registered_again(
    make_rig: MakeRig,
) -> None:
    rig = await make_rig(
        lambda entry, connection: [[RELEASE, connection, 0, [ACCEPT]]] if entry.seq == 0 else None
    )
    async with RawClient(*rig.address) as client:
        await client.upgrade()
    entry = await rig.layer.entry(DISCONNECT)

    assert rig.layer.receiver.holdings().connections == {}
    rig.layer.receiver.republish(0, len(rig.layer.batches))
    assert (await rig.layer.entry(DISCONNECT, 1)) == entry
    rig.layer.release(entry)
    assert rig.layer.receiver.holdings().connections == {}


async def test_a_fenced_interface_closes_its_sockets_and_starts_over_under_a_new_id(
    make_rig: MakeRig,
) -> None:
    rig = await make_rig(keeps_frames)
    old_id, old_layer = rig.server.id, rig.layer
    async with RawClient(*rig.address) as client, RawClient(*rig.address) as asking:
        await client.upgrade()
        client.send(frame(TEXT, b"in flight"))
        await old_layer.entry(RECEIVE)
        old_layer.answer = silent
        asking.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await old_layer.entry(REQUEST)
        count = len(old_layer.entries)

        old_layer.receiver.fenced()
        old_layer.receiver.fenced()

        assert await client.close_code() == 1012
        assert b" 503 " in await asking.reader.readuntil(b"\r\n\r\n")
        client.send(frame(8, b"\x03\xf4"))
        assert await client.ended()
        await until(lambda: rig.server.ready() is None)

    assert rig.server.id not in ("", old_id)
    assert len(rig.layers) == 2
    assert old_layer.closed
    assert len(old_layer.entries) == count
    assert disconnects(old_layer) == disconnects(rig.layer) == []
    assert rig.server.metrics.fenced.value == 1
    async with RawClient(*rig.address) as client:
        assert " 101 " in await client.upgrade()
        assert (await rig.layer.entry(CONNECT)).reply is not None


async def test_mailbox_lag_is_read_off_the_ids_of_redis(rig: Rig) -> None:
    tenure = rig.server.tenure
    assert tenure is not None
    assert tenure.mailbox_lag_s() == 0
    tenure.shards[0].mailbox([], "17-0")
    assert tenure.mailbox_lag_s() == 0
    tenure.shards[0].mailbox([], "1000000000000-5")
    assert tenure.mailbox_lag_s() > 1e6
    tenure.shards[0].mailbox([], "garbage")
    assert tenure.mailbox_lag_s() == 0


async def test_an_answer_of_redis_is_noted_and_the_age_of_the_newest_mailbox_entry_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rig.server.tenure is not None
    (shard,) = rig.server.tenure.shards
    published, mailbox = shard.tenure.metrics.publish_seconds, shard.tenure.metrics.mailbox_seconds
    monkeypatch.setattr("trunkline.interface.shard.time.time", lambda: 1_800_000_000.0)

    shard.answered(0.003)
    assert (published.sum, sum(mailbox.counts)) == (0.003, 0)  # nothing has come yet
    shard.mailbox([], "1799999999750-0")
    shard.answered(0.003)
    shard.answered(0.003)

    assert sum(published.counts) == 3
    assert sum(mailbox.counts) == 1 and mailbox.sum == pytest.approx(0.25)

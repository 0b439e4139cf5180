"""Releases with one text each, several in one mailbox entry: what is quick there is what `Connection.released` does."""

from __future__ import annotations

import pytest

from tests.interface.conftest import MakeRig, Rig
from tests.interface.test_connection import accepts_only
from tests.support.client_frames import RawClient, frame
from tests.support.fake_layer import connection_of
from trunkline.interface.frames import TEXT
from trunkline.protocol.codec import RELEASE, TextReleases
from trunkline.protocol.messages import Entry
from trunkline.protocol.names import RECEIVE


def mail(rig: Rig, *releases: tuple[str, int, str]) -> None:
    """Delivers them as one mailbox entry."""
    operations = TextReleases([RELEASE, name, seq, [text]] for name, seq, text in releases)
    rig.layer.receiver.mailbox(operations, "1-1")


async def under_way(rig: Rig, client: RawClient, count: int = 1) -> Entry:
    """Opens a connection; gives the entry of its first message, behind which the others wait."""
    known = len(rig.layer.of(RECEIVE))
    await client.upgrade()
    client.send(b"".join(frame(TEXT, b"%d" % number) for number in range(count)))
    return await rig.layer.entry(RECEIVE, known)


@pytest.mark.parametrize("length", [0, 1, 124, 125, 126, 127, 65_535, 65_536])
async def test_each_connection_gets_its_text_and_all_are_counted(make_rig: MakeRig, length: int) -> None:
    rig = await make_rig(accepts_only)
    async with RawClient(*rig.address) as one, RawClient(*rig.address) as other:
        entries = [await under_way(rig, one), await under_way(rig, other)]
        metrics = rig.shared.metrics
        sent, timed = metrics.messages_out.value, sum(metrics.release_seconds.counts)
        known = metrics.bytes_out.value

        text = "x" * (length % 2) + "é" * (length // 2)

        mail(rig, *((connection_of(entry), entry.seq, text) for entry in entries))

        for client in (one, other):
            assert await client.receive() == (0x81, text.encode())
        assert metrics.messages_out.value == sent + 2
        assert metrics.bytes_out.value == known + 2 * len(frame(TEXT, text.encode(), masked=False))
        assert sum(metrics.release_seconds.counts) == timed + 2
        assert [connection.flow.in_flight for connection in rig.connections()] == [-1, -1]
        assert [connection.publication for connection in rig.connections()] == [None, None]


async def test_what_waits_leaves_behind_a_release(make_rig: MakeRig) -> None:
    rig = await make_rig(accepts_only)
    async with RawClient(*rig.address) as one, RawClient(*rig.address) as other:
        waits, alone = await under_way(rig, one, 3), await under_way(rig, other)

        mail(rig, (connection_of(waits), 1, "a"), (connection_of(alone), 1, "b"))

        assert [await one.receive(), await other.receive()] == [(0x81, b"a"), (0x81, b"b")]
        assert (await rig.layer.entry(RECEIVE, 2)).events == ["1", "2"]


async def test_replays_and_what_is_for_nobody_are_dropped_and_counted(make_rig: MakeRig) -> None:
    rig = await make_rig(accepts_only)
    async with RawClient(*rig.address) as client:
        entry = await under_way(rig, client)
        connection = connection_of(entry)

        mail(
            rig, (connection, 1, "once"), (connection, 1, "twice"), (connection, -1, "x"), ("unknown", 1, "x")
        )
        mail(rig, (connection, 1, "again"), (connection, 2, "too early"))
        rig.layer.mail([2, connection, -1, "behind"])

        assert [await client.receive(), await client.receive()] == [(0x81, b"once"), (0x81, b"behind")]
    assert (rig.drops("replay"), rig.drops("gone")) == (4, 1)


async def test_who_compresses_gets_it_compressed_and_who_is_held_is_read_again(make_rig: MakeRig) -> None:
    rig = await make_rig(accepts_only, deflate=True, queue_events=1)
    socket = await rig.websocket(compress=15)
    await socket.send_str("to answer")
    entry = await rig.layer.entry(RECEIVE)
    async with RawClient(*rig.address) as client:
        held = await under_way(rig, client, 2)
        assert rig.connections()[1].paused

        mail(rig, (connection_of(entry), 1, "long " * 1000), (connection_of(held), 1, "on"))

        assert (await socket.receive()).data == "long " * 1000
        assert await client.receive() == (0x81, b"on")
        assert not rig.connections()[1].paused
    await socket.close()


async def test_a_fault_with_one_connection_does_not_take_the_others_texts(make_rig: MakeRig) -> None:
    rig = await make_rig(accepts_only)
    async with RawClient(*rig.address) as broken, RawClient(*rig.address) as whole:
        entries = [await under_way(rig, broken), await under_way(rig, whole)]
        first = rig.connections()[0]
        assert rig.server.tenure is not None
        rig.server.tenure.recipients[first.id] = object()  # type: ignore[assignment]

        mail(rig, *((connection_of(entry), 1, "arrives") for entry in entries))

        assert await whole.receive() == (0x81, b"arrives")
        assert rig.drops("fault") == 1
        rig.server.tenure.recipients[first.id] = first

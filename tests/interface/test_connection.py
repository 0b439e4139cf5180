"""WebSockets on real sockets."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from tests.interface.conftest import MakeRig, Rig
from tests.support.client_frames import RawClient, frame
from tests.support.fake_layer import ACCEPT, connection_of, disconnects, echo
from tests.support.waiting import until
from trunkline.interface.connection import Connection
from trunkline.interface.frames import BINARY, CLOSE, PING, TEXT
from trunkline.interface.outbound import Outbound
from trunkline.interface.states import State
from trunkline.protocol.codec import GROUP_SEND, RELEASE, SEND
from trunkline.protocol.messages import Entry
from trunkline.protocol.names import CONNECT, DISCONNECT, RECEIVE, ConnectionId


def accepts_only(entry: Entry, connection: ConnectionId) -> list[list[Any]] | None:
    """Accepts, and leaves everything else to the test."""
    return [[RELEASE, connection, 0, [ACCEPT]]] if entry.channel == CONNECT else None


async def test_text_and_bytes_come_back_as_they_went(rig: Rig) -> None:
    socket = await rig.websocket("/chat/room?username=anna")

    await socket.send_str("grüße 👋")
    await socket.send_bytes(b"\x00\xff")

    assert (await socket.receive()).data == "grüße 👋"
    assert (await socket.receive()).data == b"\x00\xff"


async def test_the_clients_close_is_answered_and_becomes_a_disconnect_with_its_code(rig: Rig) -> None:
    socket = await rig.websocket()

    await socket.close(code=4001, message=b"bye")

    entry = await rig.layer.entry(DISCONNECT)
    assert entry.events == [{"code": 4001, "reason": "bye"}]
    assert entry.seq == 1
    assert socket.close_code == 4001
    await until(lambda: rig.connections() == [])
    assert rig.server.metrics.closes.get("4001").value == 1


async def test_a_close_without_a_code_is_answered_without_one(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        client.send(frame(CLOSE))

        assert await client.receive() == (0x88, b"")
        assert await client.ended()
    await rig.layer.entry(DISCONNECT)
    assert disconnects(rig.layer)[0][1] == 1005


async def test_a_client_that_vanishes_is_disconnected_with_1006(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        await client.upgrade()

    assert (await rig.layer.entry(DISCONNECT)).events == [{"code": 1006, "reason": ""}]


async def test_pings_are_answered_between_fragments(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        client.send(frame(TEXT, b"one ", fin=False) + frame(PING, b"there?") + frame(0, b"message"))

        assert await client.receive() == (0x8A, b"there?")
        assert await client.receive() == (0x81, b"one message")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"no mask", masked=False), 1002),
        (frame(TEXT, b"reserved", rsv=2), 1002),
        (frame(PING, b"", fin=False), 1002),
        (frame(CLOSE, b"\x03\xed"), 1002),
        (frame(TEXT, b"\xff\xff"), 1007),
        (frame(BINARY, b"x" * 70_000), 1009),
    ],
)
async def test_what_breaks_the_protocol_ends_the_connection_with_its_code(
    rig: Rig, data: bytes, code: int
) -> None:
    async with RawClient(*rig.address) as client, RawClient(*rig.address) as other:
        await client.upgrade()
        await other.upgrade()
        client.send(data)

        assert await client.close_code() == code
        assert await client.ended()
        client.send(frame(TEXT, b"too late"))
        client.writer.close()
        await rig.layer.entry(DISCONNECT)
        assert disconnects(rig.layer)[0][1] == code

        other.send(frame(TEXT, b"undisturbed"))
        assert await other.receive() == (0x81, b"undisturbed")


async def test_a_client_that_never_answers_a_close_is_cut_off(make_rig: MakeRig) -> None:
    rig = await make_rig(close_timeout_s=0.1)
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        rig.connections()[0].close(4000, "go")

        assert await client.close_code() == 4000
        assert await client.ended()
    assert (await rig.layer.entry(DISCONNECT)).events == [{"code": 4000, "reason": "go"}]


async def test_when_both_sides_close_at_once_each_sends_one_close_frame(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        client.send(frame(CLOSE, (4001).to_bytes(2, "big")))
        rig.connections()[0].close(4000)  # before the server has read what the client sent

        assert await client.close_code() == 4000
        assert await client.ended()
    await rig.layer.entry(DISCONNECT)
    assert disconnects(rig.layer)[0][1] == 4000


async def test_messages_behind_our_close_are_dropped_and_counted(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        connection = rig.connections()[0]
        connection.close(1000)
        connection.send("too late")
        client.send(frame(TEXT, b"too late too") + frame(CLOSE, b"\x03\xe8"))

        assert await client.close_code() == 1000
        assert await client.ended()
    await rig.layer.entry(DISCONNECT)
    assert rig.layer.of(RECEIVE) == []
    assert rig.drops("closed") == 1
    assert rig.drops("closing") == 1


async def test_frames_that_come_while_one_is_handled_leave_together_and_in_order(make_rig: MakeRig) -> None:
    rig = await make_rig(accepts_only)
    async with RawClient(*rig.address) as client:
        await client.upgrade("/path")
        client.send(b"".join(frame(TEXT, b"%d" % number) for number in range(50)))
        first = await rig.layer.entry(RECEIVE)
        assert (first.seq, first.events, first.path) == (1, ["0"], "/path")
        await until(lambda: rig.connections()[0].flow.waiting == 49)

        rig.layer.release(first)
        second = await rig.layer.entry(RECEIVE, 1)
        rig.layer.release(second)
        third = await rig.layer.entry(RECEIVE, 2)

        assert (second.seq, second.events) == (2, [str(number) for number in range(1, 33)])
        assert (third.seq, third.events) == (34, [str(number) for number in range(33, 50)])


async def test_reading_pauses_when_the_queue_is_full_and_goes_on_without_loss(make_rig: MakeRig) -> None:
    rig = await make_rig(accepts_only, queue_events=4)
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        client.send(b"".join(frame(TEXT, b"%d" % number) for number in range(300)))
        await rig.layer.entry(RECEIVE)
        await until(lambda: rig.connections()[0].paused)
        assert rig.connections()[0].flow.waiting == 4

        rig.layer.answer = echo
        rig.layer.release(rig.layer.of(RECEIVE)[0], "0")

        for number in range(300):
            assert await client.receive() == (0x81, b"%d" % number)


async def test_a_replayed_release_or_send_is_dropped_and_counted(make_rig: MakeRig) -> None:
    rig = await make_rig(accepts_only)
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        client.send(frame(TEXT, b"a"))
        entry = await rig.layer.entry(RECEIVE)
        connection = connection_of(entry)

        rig.layer.mail([SEND, connection, 1, "while it runs"])
        rig.layer.release(entry, "once")
        rig.layer.release(entry, "twice")
        rig.layer.mail([SEND, connection, 1, "replayed"])
        rig.layer.mail([SEND, connection, -1, "from elsewhere"])

        assert await client.receive() == (0x81, b"while it runs")
        assert await client.receive() == (0x81, b"once")
        assert await client.receive() == (0x81, b"from elsewhere")
    assert rig.drops("replay") == 2


async def test_a_map_sends_and_closes(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        connection = rig.connections()[0]

        connection.send({"text": "a", "bytes": b"b"})
        connection.send({"text": "last", "close": 4002, "reason": "enough"})

        assert await client.receive() == (0x81, b"a")
        assert await client.receive() == (0x82, b"b")
        assert await client.receive() == (0x81, b"last")
        assert await client.receive() == (0x88, (4002).to_bytes(2, "big") + b"enough")


@pytest.mark.parametrize(("close", "code"), [(True, 1000), (4000, 4000), (1006, 1011), ("x", 1011)])
async def test_a_close_carries_a_code_that_may_be_sent(rig: Rig, close: Any, code: int) -> None:
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        rig.connections()[0].send({"close": close})
        assert await client.close_code() == code


async def test_what_no_websocket_understands_is_dropped_and_counted(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        rig.connections()[0].send({"status": 200, "content": b""})
        rig.connections()[0].send({"text": b"bytes under text"})
        rig.connections()[0].send({"close": False})
        rig.connections()[0].send({"accept": True})
        rig.connections()[0].send("still open")
        assert await client.receive() == (0x81, b"still open")
    assert rig.drops("bad_payload") == 2


async def test_a_client_that_does_not_read_is_closed_with_1013_and_cut_off(make_rig: MakeRig) -> None:
    rig = await make_rig(outbound_bytes=100_000, close_timeout_s=0.2)
    async with RawClient(*rig.address) as client, RawClient(*rig.address) as other:
        client.stop_reading()
        await client.upgrade_blindly()
        await other.upgrade()
        connection = next(iter(rig.connections()))
        await until(lambda: connection.state is State.OPEN)
        while connection.state is State.OPEN:
            connection.send("x" * 50_000)
            await asyncio.sleep(0)

        assert connection.outbound_bytes < 400_000
        await rig.layer.entry(DISCONNECT)
        assert disconnects(rig.layer) == [(connection.id, 1013)]
        assert rig.server.metrics.slow_readers.value == 1
        other.send(frame(TEXT, b"undisturbed"))
        assert await other.receive() == (0x81, b"undisturbed")


async def test_frames_of_one_mailbox_batch_leave_in_one_write(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        connection = rig.connections()[0]
        rig.layer.mail(*([SEND, connection.id, -1, str(number)] for number in range(3)))

        assert await client.reader.read(100) == b"\x81\x010\x81\x011\x81\x012"


async def test_compression_is_agreed_on_only_if_it_is_on(make_rig: MakeRig) -> None:
    off, on = await make_rig(), await make_rig(deflate=True)
    for rig, agreed in ((off, False), (on, True)):
        socket = await rig.websocket(compress=15)
        assert bool(socket.compress) is agreed
        for text in ("short", "long " * 1000, "long " * 1000):
            await socket.send_str(text)
            assert (await socket.receive()).data == text
        await socket.close()


async def test_a_group_of_compressing_and_plain_clients_hears_the_same(make_rig: MakeRig) -> None:
    rig = await make_rig(deflate=True)
    sockets = [await rig.websocket(compress=compress) for compress in (0, 15, 15)]
    for connection in rig.connections():
        rig.layer.mail([4, "all", connection.id])

    rig.layer.mail([GROUP_SEND, "all", "hello " * 100])
    rig.layer.mail([GROUP_SEND, "all", {"text": "and a map"}])

    for socket in sockets:
        assert (await socket.receive()).data == "hello " * 100
        assert (await socket.receive()).data == "and a map"
        await socket.close()


async def test_an_open_connection_has_no_task(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        before = len(asyncio.all_tasks())
        await client.upgrade()
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) <= before


async def test_a_full_channel_pauses_reading_and_loses_nothing(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        rig.layer.full.add(RECEIVE)
        client.send(frame(TEXT, b"a"))
        await until(lambda: rig.connections()[0].paused)
        client.send(frame(TEXT, b"b"))

        rig.layer.full.clear()

        assert await client.receive() == (0x81, b"a")
        assert await client.receive() == (0x81, b"b")
        assert not rig.connections()[0].paused
    assert rig.server.metrics.refusals.value >= 1


async def test_nothing_is_released_while_the_layer_keeps_an_entry_and_the_disconnect_waits_behind_it(
    make_rig: MakeRig,
) -> None:
    rig = await make_rig(accepts_only)
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        client.send(frame(TEXT, b"a") + frame(TEXT, b"b"))
        first = await rig.layer.entry(RECEIVE)
    await until(lambda: rig.connections()[0].state is State.CLOSED)
    assert rig.layer.of(DISCONNECT) == []

    rig.layer.release(first, "nobody hears this")
    second = await rig.layer.entry(RECEIVE, 1)
    assert second.events == ["b"]
    rig.layer.release(second)
    last = await rig.layer.entry(DISCONNECT)
    assert (last.seq, last.events) == (3, [{"code": 1006, "reason": ""}])
    assert len(rig.connections()) == 1
    rig.layer.release(last)
    assert rig.connections() == []


async def test_a_refused_entry_of_a_connection_that_has_closed_still_leaves_before_its_disconnect(
    rig: Rig,
) -> None:
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        rig.layer.full.add(RECEIVE)
        client.send(frame(TEXT, b"a"))
        await until(lambda: rig.connections()[0].paused)
        rig.connections()[0].close(4000)
        assert await client.close_code() == 4000
        client.send(frame(CLOSE, b"\x0f\xa0"))
        assert await client.ended()
    refusals = rig.server.metrics.refusals.value
    await until(lambda: rig.server.metrics.refusals.value > refusals)
    assert rig.layer.of(DISCONNECT) == []

    rig.layer.full.clear()

    await rig.layer.entry(DISCONNECT)
    assert [entry.channel for entry in rig.layer.entries] == [CONNECT, RECEIVE, DISCONNECT]


async def test_garbage_behind_our_close_ends_the_connection(make_rig: MakeRig) -> None:
    rig = await make_rig(close_timeout_s=60)
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        rig.connections()[0].close(4000)
        assert await client.close_code() == 4000

        client.send(b"\xff\xff\xff\xff")

        assert await client.ended()
    await rig.layer.entry(DISCONNECT)
    assert disconnects(rig.layer)[0][1] == 4000


async def test_a_verdict_that_comes_while_the_layer_is_away_opens_a_socket_that_is_not_read_yet(
    make_rig: MakeRig,
) -> None:
    rig = await make_rig(lambda entry, connection: None)
    async with RawClient(*rig.address) as client:
        await client.upgrade_blindly()
        entry = await rig.layer.entry(CONNECT)
        rig.layer.receiver.away()

        rig.layer.release(entry, ACCEPT)

        assert b" 101 " in await client.reader.readuntil(b"\r\n\r\n")
        assert rig.connections()[0].paused


async def test_states_are_logged_for_who_looks_for_a_fault(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "trunkline.interface")
    async with RawClient(*rig.address) as client:
        await client.upgrade("/room")
        client.send(frame(TEXT, b"no mask", masked=False))
        await client.close_code()
    await rig.layer.entry(DISCONNECT)

    states = [record.getMessage() for record in caplog.records if "path=/room is" in record.getMessage()]
    assert [state.rpartition(" ")[2] for state in states] == ["open", "closing", "closed"]
    assert any("must be masked" in record.getMessage() for record in caplog.records)


def test_a_connection_has_slots_and_no_dict_for_each_is_paid_a_hundred_thousand_times() -> None:
    assert Connection.__dictoffset__ == 0
    assert Connection.__weakrefoffset__ == 0


def test_a_half_that_leaves_a_hook_out_cannot_be_made() -> None:
    class Deaf(Outbound):
        __slots__ = ()

    with pytest.raises(TypeError, match="abstract"):
        Deaf(None)  # type: ignore[abstract, arg-type]

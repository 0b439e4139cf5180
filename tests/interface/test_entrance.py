"""Handshakes on real sockets: what is asked, what is refused, who hears of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError

from tests.interface.conftest import MakeRig, Rig
from tests.support.client_frames import RawClient, frame
from tests.support.fake_layer import ACCEPT, connection_of, disconnects, echo, silent
from tests.support.waiting import until
from trunkline.interface.entrance import clean
from trunkline.interface.frames import TEXT
from trunkline.interface.states import State
from trunkline.protocol.codec import GROUP_ADD, GROUP_SEND, RELEASE, SEND
from trunkline.protocol.messages import Entry
from trunkline.protocol.names import CONNECT, DISCONNECT, ConnectionId


def verdict(payload: Any, *more: Any) -> Callable[[Entry, ConnectionId], list[list[Any]] | None]:
    """Answers every connect with this verdict, and everything else as an echo."""

    def answer(entry: Entry, connection: ConnectionId) -> list[list[Any]] | None:
        if entry.channel == CONNECT:
            return [[RELEASE, connection, 0, [payload, *more]]]
        return echo(entry, connection)

    return answer


async def test_the_connect_message_says_what_the_client_asked_for(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        await client.upgrade(
            "/chat/r%C3%BCm?username=anna&x=%20#no",
            "\nOrigin: http://test\nSec-WebSocket-Protocol: chat, v2\nX-Odd: caf\xe9\nCookie: a=1",
        )
        entry = await rig.layer.entry(CONNECT)
        event = entry.events[0]

    assert (entry.seq, entry.path) == (0, "/chat/rüm")
    assert set(event) == {
        "scheme",
        "query_string",
        "root_path",
        "headers",
        "client",
        "server",
        "subprotocols",
    }
    assert event["scheme"] == "ws"
    assert event["query_string"] == "username=anna&x=%20"
    assert event["subprotocols"] == ["chat", "v2"]
    assert event["server"] == list(rig.address)
    assert event["client"][0] == "127.0.0.1"
    assert ["cookie", "a=1"] in event["headers"]
    assert ["x-odd", "café"] in event["headers"]


def test_bytes_of_a_request_that_are_no_utf8_are_read_as_latin1() -> None:
    assert clean("caf\udce9") == "café"
    assert clean("schön") == "schön"


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("GET / HTTP/1.1\nHost: a\nUpgrade: websocket", 400),
        ("GET / HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13", 400),
        ("POST / HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13", 400),
        ("GET / HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 12", 426),
        ("nonsense", 400),
        ("GET / HTTP/1.1\nno header", 400),
        ("GET / HTTP/1.1\nHost: a\nX: " + "x" * 20_000, 400),
    ],
)
async def test_a_malformed_handshake_is_answered_and_asked_of_nobody(
    rig: Rig, lines: str, status: int
) -> None:
    async with RawClient(*rig.address) as client:
        answer = await client.head(lines)

        assert answer.startswith(f"HTTP/1.1 {status} ") or answer.startswith(f"HTTP/1.0 {status} ")
        await client.reader.read()
    assert rig.layer.entries == []


async def test_a_refusal_says_why_in_a_sentence(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        answer = await client.head(
            "GET / HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 12"
        )
        assert "Sec-WebSocket-Version: 13" in answer
        assert b"version 13" in await client.reader.read()
    assert rig.server.metrics.handshakes.get("version").value == 1


async def test_a_page_of_another_origin_is_refused(make_rig: MakeRig) -> None:
    rig = await make_rig(allowed_origins=["https://friend.example"])
    async with RawClient(*rig.address) as client:
        assert " 403 " in await client.upgrade(extra="\nOrigin: http://evil.example")
    async with RawClient(*rig.address) as client:
        assert " 101 " in await client.upgrade(extra="\nOrigin: https://friend.example")
    async with RawClient(*rig.address) as client:
        assert " 101 " in await client.upgrade(extra="\nOrigin: http://test")
    assert rig.server.metrics.handshakes.get("origin").value == 1


async def test_a_path_has_a_limit(make_rig: MakeRig) -> None:
    rig = await make_rig(max_path_bytes=100)
    async with RawClient(*rig.address) as client:
        assert " 414 " in await client.upgrade("/" + "x" * 100)


async def test_a_proxy_that_is_trusted_tells_who_the_client_is(make_rig: MakeRig) -> None:
    rig = await make_rig(trusted_proxies=["127.0.0.0/8"])
    async with RawClient(*rig.address) as client:
        await client.upgrade(extra="\nX-Forwarded-For: 6.6.6.6, 192.0.2.7\nX-Forwarded-Proto: https")
        event = (await rig.layer.entry(CONNECT)).events[0]

    assert event["client"] == ["192.0.2.7", 0]
    assert event["scheme"] == "wss"


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        ({"accept": False}, 403),
        ({"accept": False, "status": 404}, 404),
        ({"accept": False, "status": 503}, 503),
        ({"accept": False, "status": 101}, 500),
        ({"accept": False, "status": "x"}, 500),
        ("no verdict", 500),
        ({}, 403),
    ],
)
async def test_a_refused_handshake_gets_the_status_of_the_verdict(
    make_rig: MakeRig, payload: Any, status: int
) -> None:
    rig = await make_rig(verdict(payload, "never written"))

    with pytest.raises(WSServerHandshakeError) as found:
        await rig.websocket()

    assert found.value.status == status
    assert rig.connections() == []
    assert rig.layer.of(DISCONNECT) == []


async def test_accepting_may_choose_a_subprotocol_and_add_headers(make_rig: MakeRig) -> None:
    accept = {"accept": True, "subprotocol": "v2", "headers": [["X-Room", "7"], ["Set-Cookie", "a=1"]]}
    rig = await make_rig(verdict(accept, "welcome", b"\x01"))

    socket = await rig.websocket(protocols=("chat", "v2"))

    assert socket.protocol == "v2"
    assert socket._response.headers["X-Room"] == "7"
    assert (await socket.receive()).data == "welcome"
    assert (await socket.receive()).data == b"\x01"
    await socket.close()


async def test_a_subprotocol_nobody_offered_and_a_forged_header_are_left_out_and_counted(
    make_rig: MakeRig,
) -> None:
    rig = await make_rig(
        verdict({"accept": True, "subprotocol": "other", "headers": [["X-A", "b\r\nX-Evil: 1"]]})
    )
    async with RawClient(*rig.address) as client:
        answer = await client.upgrade(extra="\nSec-WebSocket-Protocol: chat")

    assert " 101 " in answer
    assert "Protocol:" not in answer
    assert "Evil" not in answer
    assert rig.drops("bad_accept") == 2


async def test_frames_of_an_early_group_and_early_sends_follow_the_handshake_in_order(
    make_rig: MakeRig,
) -> None:
    rig = await make_rig(silent)
    async with RawClient(*rig.address) as client:
        await client.upgrade_blindly()
        entry = await rig.layer.entry(CONNECT)
        connection = connection_of(entry)
        rig.layer.mail([GROUP_ADD, "room", connection], [GROUP_SEND, "room", "1"], [SEND, connection, 0, "2"])

        rig.layer.mail([RELEASE, connection, 0, [ACCEPT, "3"]], [GROUP_SEND, "room", "4"])

        await client.reader.readuntil(b"\r\n\r\n")
        assert [await client.receive() for _ in range(4)] == [
            (0x81, text) for text in (b"1", b"2", b"3", b"4")
        ]


async def test_what_waits_for_the_upgrade_is_bounded_and_beyond_it_the_handshake_fails(
    make_rig: MakeRig,
) -> None:
    rig = await make_rig(silent, outbound_bytes=100)
    async with RawClient(*rig.address) as client:
        await client.upgrade_blindly()
        entry = await rig.layer.entry(CONNECT)
        for _ in range(3):
            rig.layer.mail([SEND, connection_of(entry), 0, "x" * 48])
        assert b" 503 " in await client.reader.readuntil(b"\r\n\r\n")

    assert rig.drops("early") == 1


async def test_what_a_client_sends_before_it_is_accepted_is_kept(make_rig: MakeRig) -> None:
    rig = await make_rig(silent)
    async with RawClient(*rig.address) as client:
        await client.upgrade_blindly()
        client.send(frame(TEXT, b"impatient"))
        entry = await rig.layer.entry(CONNECT)
        rig.layer.answer = echo

        rig.layer.release(entry, ACCEPT, "first")

        await client.reader.readuntil(b"\r\n\r\n")
        assert await client.receive() == (0x81, b"first")
        assert await client.receive() == (0x81, b"impatient")


async def test_a_verdict_that_does_not_come_in_time_is_503_and_a_late_acceptance_gets_its_disconnect(
    make_rig: MakeRig,
) -> None:
    rig = await make_rig(silent, handshake_timeout_s=0.1)
    async with RawClient(*rig.address) as client:
        answer = await client.upgrade()
        assert " 503 " in answer
        assert "Retry-After: " in answer

    entry = await rig.layer.entry(CONNECT)
    rig.layer.release(entry, ACCEPT, "nobody hears this")
    last = await rig.layer.entry(DISCONNECT)
    assert (last.seq, last.events) == (1, [{"code": 1006, "reason": ""}])
    rig.layer.release(last)
    assert rig.connections() == []


async def test_a_late_refusal_needs_no_disconnect(make_rig: MakeRig) -> None:
    rig = await make_rig(silent, handshake_timeout_s=0.1)
    async with RawClient(*rig.address) as client:
        assert " 503 " in await client.upgrade()

    rig.layer.release(await rig.layer.entry(CONNECT), {"accept": False})

    assert rig.connections() == []
    assert rig.layer.of(DISCONNECT) == []


async def test_a_client_that_leaves_before_the_verdict_is_disconnected_if_it_is_accepted(
    make_rig: MakeRig,
) -> None:
    rig = await make_rig(silent)
    async with RawClient(*rig.address) as client:
        await client.upgrade_blindly()
        await rig.layer.entry(CONNECT)
    connection = rig.connections()[0]
    await until(lambda: connection._handshake is None)

    rig.layer.mail([GROUP_ADD, "room", connection.id], [RELEASE, connection.id, 0, [ACCEPT]])

    await rig.layer.entry(DISCONNECT)
    assert disconnects(rig.layer) == [(connection.id, 1006)]
    assert rig.server.metrics.handshakes.get("client_left").value == 1
    assert rig.layer.left == [("room", "1-0")]


async def test_a_close_before_the_verdict_refuses_the_handshake(make_rig: MakeRig) -> None:
    rig = await make_rig(silent)
    async with RawClient(*rig.address) as client:
        await client.upgrade_blindly()
        entry = await rig.layer.entry(CONNECT)
        rig.layer.mail([SEND, connection_of(entry), 0, {"close": True}])
        assert b" 403 " in await client.reader.readuntil(b"\r\n\r\n")


async def test_a_full_channel_refuses_handshakes_with_503(rig: Rig) -> None:
    rig.layer.full.add(CONNECT)
    async with RawClient(*rig.address) as client:
        answer = await client.upgrade()
        assert " 503 " in answer
        assert "Retry-After: " in answer
    assert rig.connections() == []
    assert rig.layer.of(DISCONNECT) == []

    rig.layer.full.clear()
    async with RawClient(*rig.address) as client:
        assert " 101 " in await client.upgrade()


async def test_a_full_channel_and_a_client_that_left_leave_nothing_behind(make_rig: MakeRig) -> None:
    rig = await make_rig(silent)
    async with RawClient(*rig.address) as client:
        await client.upgrade_blindly()
        await rig.layer.entry(CONNECT)
        connection = rig.connections()[0]
    await until(lambda: connection._handshake is None)

    rig.layer.receiver.refused(rig.layer.publications)

    assert rig.connections() == []
    assert connection.state is State.CLOSED


async def test_while_the_layer_is_away_handshakes_get_503(rig: Rig) -> None:
    rig.layer.receiver.away()
    async with RawClient(*rig.address) as client:
        answer = await client.upgrade()
        assert " 503 " in answer
        assert "Retry-After: " in answer
    assert rig.layer.entries == []

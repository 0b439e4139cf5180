"""WebSockets from attackers: foreign pages, bodies in handshakes, frames that break the rules, reasons too long."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

from tests.security.app import channel_routing
from tests.security.raw import Raw
from tests.support.client_frames import MASK, RawClient, frame
from tests.support.stack import Stack, stack
from trunkline.interface.frames import BINARY, CLOSE, PING, PONG, TEXT
from trunkline.worker import Message, route

EXTENSION = "\nSec-WebSocket-Extensions: permessage-deflate"
NEXT = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


def handshake(*lines: str, path: str = "/", host: str = "here.example") -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    head = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        *lines,
    ]
    return "\r\n".join([*head, "", ""]).encode()


# ---- cross-site hijacking: a foreign page opens a socket with the user's cookies (RFC 6455 section 10.2) ----


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://here.example.evil.example",
        "http://evil.example/here.example",
        "http://evil.example#here.example",
        "http://here.example@evil.example",
        "http://evil.example?here.example",
        "http://evil-here.example",
        "http://here.example:81",
        "https://here.example:444",
        "http://here.example.",
        "http://here.example\\.evil.example",
        "null",
        "file://",
        "",
        "*",
        "here.example",
        "http://",
        "http://here.example, http://here.example",
        "http://[here.example",
        "http://here.example\x00",
    ],
)
async def test_a_page_of_another_origin_opens_no_socket(raw: Raw, origin: str) -> None:
    answer = await raw.whole(handshake(f"Origin: {origin}", "Cookie: session=theirs") + NEXT)

    assert answer.statuses in ([403], [400])


async def test_two_origins_are_none(raw: Raw) -> None:
    answer = await raw.whole(handshake("Origin: http://here.example", "Origin: http://evil.example") + NEXT)

    assert answer.statuses == [403] or answer.statuses == [400]


async def test_an_origin_with_a_host_that_a_client_sent_twice_is_refused(raw: Raw) -> None:
    answer = await raw.whole(handshake("Host: evil.example", "Origin: http://evil.example") + NEXT)

    assert answer.statuses == [400]


@pytest.mark.parametrize("origin", ["http://here.example", "https://here.example", "HTTP://HERE.example"])
async def test_a_page_of_the_own_host_opens_one(raw: Raw, origin: str) -> None:
    answer = await raw.send(handshake(f"Origin: {origin}"))

    assert answer.statuses == [101]


async def test_only_listed_origins_and_no_client_without_one_where_an_origin_is_required() -> None:
    options = {"require_origin": True, "allowed_origins": ["https://app.example"]}
    async with stack(channel_routing, interface_options=options) as running:
        raw = Raw(running.addresses[0])
        assert (await raw.send(handshake())).statuses == [403]
        assert (await raw.send(handshake("Origin: https://evil.example"))).statuses == [403]
        assert (await raw.send(handshake("Origin: https://app.example"))).statuses == [101]


# ---- handshakes behind which something else hides ----


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (("Content-Length: 5",), b"hello"),
        (("Content-Length: 36",), NEXT),
        (("Transfer-Encoding: chunked",), b"0\r\n\r\n"),
        (("Content-Length: 0", "Transfer-Encoding: chunked"), b"0\r\n\r\n"),
    ],
)
async def test_a_handshake_with_a_body_is_refused_and_nothing_behind_it_read(
    raw: Raw, lines: tuple[str, ...], body: bytes
) -> None:
    answer = await raw.whole(handshake(*lines) + body + NEXT)

    assert answer.statuses == [400]


@pytest.mark.parametrize(
    "head",
    [
        handshake().replace(b"Version: 13", b"Version: 8"),
        handshake().replace(b"Sec-WebSocket-Key", b"X-Key"),
        handshake().replace(b"Connection: Upgrade", b"Connection: keep-alive"),
        handshake("Origin: https://evil.example"),
        handshake().replace(b"GET", b"POST"),
    ],
)
async def test_a_refused_handshake_ends_its_connection_so_that_nothing_is_tunnelled(
    raw: Raw, head: bytes
) -> None:
    # A proxy that takes any answer to an upgrade for a success would pass on what follows, unlooked at.
    answer = await raw.whole(head + NEXT)

    assert len(answer.statuses) == 1 and answer.statuses[0] in (400, 403, 426)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "\r\n\r\n\x81\x04evil", "a\x00"])
async def test_a_header_that_would_split_the_handshakes_answer_refuses_it(raw: Raw, value: str) -> None:
    answer = await raw.send(handshake(path=f"/?name=X-Wish&value={quote(value)}"))

    assert answer.statuses == [500]
    assert b"evil" not in answer.data.lower()


@pytest.mark.parametrize("wish", ["a\r\nX-Evil: 1", "a b", "unoffered", ""])
async def test_a_subprotocol_that_is_none_or_was_not_offered_never_stands_in_the_answer(
    raw: Raw, wish: str
) -> None:
    lines = ("Sec-WebSocket-Protocol: chat",)
    answer = await raw.send(handshake(*lines, path=f"/?subprotocol={quote(wish)}"))

    assert answer.statuses in ([500], [101])
    head = answer.data.lower()
    assert b"evil" not in head and b"sec-websocket-protocol" not in head


@pytest.mark.parametrize(
    "name", ["Upgrade", "sec-websocket-accept", "Sec-WebSocket-Extensions", "Content-Length"]
)
async def test_a_handler_cannot_set_what_makes_the_upgrade(raw: Raw, name: str) -> None:
    answer = await raw.send(handshake(path=f"/?name={name}&value=evil"))

    assert answer.statuses == [101]
    assert b"evil" not in answer.data


# ---- frames ----

Slow = tuple[Raw, asyncio.Event]


@pytest.fixture
async def make_slow() -> AsyncIterator[Slow]:
    """A server whose connect handler answers when the event is set."""
    event = asyncio.Event()

    async def connect(message: Message) -> None:
        await event.wait()

    def echo(message: Message) -> None:
        message.reply_channel.send({"text": message["text"]})

    routing = [route("websocket.connect", connect), route("websocket.receive", echo)]
    async with stack(routing, interface_options={"handshake_timeout_s": 30}) as running:
        yield Raw(running.addresses[0]), event


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"hi", masked=False), 1002),
        (frame(PING, b"", masked=False), 1002),
        (frame(TEXT, b"hi", rsv=1), 1002),
        (frame(TEXT, b"hi", rsv=2), 1002),
        (frame(PING, b"hi", rsv=4), 1002),
        (frame(TEXT, b"a", fin=False) + frame(0, b"b", rsv=4), 1002),
        (frame(3, b"hi"), 1002),
        (frame(7, b"hi"), 1002),
        (frame(11, b"hi"), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(CLOSE, b"\x03\xe8" + b"x" * 124), 1002),
        (frame(PING, b"x", fin=False), 1002),
        (frame(0, b"x"), 1002),
        (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
        (frame(TEXT, b"a", fin=False) + frame(BINARY, b"b"), 1002),
        (frame(CLOSE, b"\x03"), 1002),
        (frame(CLOSE, (999).to_bytes(2, "big")), 1002),
        (frame(CLOSE, (1005).to_bytes(2, "big")), 1002),
        (frame(CLOSE, (1006).to_bytes(2, "big")), 1002),
        (frame(CLOSE, (1015).to_bytes(2, "big")), 1002),
        (frame(CLOSE, (5000).to_bytes(2, "big")), 1002),
        (b"\x81\xfe\x00\x7d" + MASK, 1002),  # 125 bytes in the long form
        (b"\x81\xff" + bytes(7) + b"\x7f" + MASK, 1002),
        (b"\x81\xff\x80" + bytes(7) + MASK, 1009),
        (b"\x81\xff" + (2**40).to_bytes(8, "big") + MASK, 1009),
        (frame(TEXT, b"", fin=False) + frame(0, b"", fin=False) * 1100, 1009),
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"x" * 65_537), 1009),
        (frame(BINARY, b"x" * 40_000, fin=False) + frame(0, b"x" * 30_000), 1009),
        (frame(TEXT, b"no deflate stream", rsv=4), 1007),
    ],
)
async def test_a_frame_that_breaks_the_rules_fails_its_connection_alone(
    raw: Raw, data: bytes, code: int
) -> None:
    async with raw.client() as other, raw.client() as client:
        await other.upgrade("/other")
        await client.upgrade("/", EXTENSION)

        client.send(data)

        assert await client.close_code() == code
        other.send(frame(TEXT, b"still here"))
        assert await other.receive() == (0x81, b"still here")


async def test_pings_are_answered_between_the_frames_of_a_message_and_unasked_pongs_are_not(raw: Raw) -> None:
    async with raw.client() as client:
        await client.upgrade()
        client.send(frame(TEXT, b"a", fin=False) + frame(PONG, b"x") + frame(PING, b"p") + frame(0, b"b"))

        assert await client.receive() == (0x8A, b"p")
        assert await client.receive() == (0x81, b"ab")


@pytest.mark.parametrize(("reason", "length"), [("x" * 123, 123), ("ü" * 61, 122)])
async def test_a_close_reason_that_fits_is_sent(raw: Raw, reason: str, length: int) -> None:
    async with raw.client() as client:
        await client.upgrade()
        client.send(frame(TEXT, f"reason {reason}".encode()))

        first, payload = await client.receive()
        assert (first, len(payload)) == (0x88, length + 2)


@pytest.mark.parametrize("reason", ["x" * 124, "ü" * 62, "\udcff"])
async def test_a_close_reason_that_does_not_fit_is_the_handlers_mistake_and_closes_nothing(
    raw: Raw, reason: str
) -> None:
    async with raw.client() as client:
        await client.upgrade()
        client.send(frame(TEXT, b"json " + _json_close(reason)))
        client.send(frame(TEXT, b"goes on"))

        assert await client.receive() == (0x81, b"goes on")


def _json_close(reason: str) -> bytes:
    escaped = "".join(f"\\u{ord(character):04x}" for character in reason)
    return f'{{"close": 4000, "reason": "{escaped}"}}'.encode()


async def test_what_a_client_sends_before_it_is_accepted_waits_outside_our_memory(make_slow: Slow) -> None:
    raw, answer = make_slow
    count, size = 4_000, 8_000  # 32 MB behind a handshake that nobody has answered yet
    data = [frame(TEXT, f"{number:08d}".encode() + b"x" * size) for number in range(count)]
    async with raw.client() as client:
        client.send(handshake())
        sending = asyncio.create_task(_send_all(client, data))
        # The kernels take some megabytes; behind that the client is held up.
        assert not await _ends(sending, 0.5)

        answer.set()
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        for number in range(count):
            assert (await client.receive())[1][:8] == b"%08d" % number
        await sending


async def _send_all(client: RawClient, pieces: list[bytes]) -> None:
    for piece in pieces:
        client.send(piece)
        await client.writer.drain()


async def _ends(task: asyncio.Task[None], within_s: float) -> bool:
    return bool((await asyncio.wait([task], timeout=within_s))[0])


async def test_a_client_cannot_be_reached_by_another_through_names_it_makes_up(
    cluster: Stack, raw: Raw
) -> None:
    interface = cluster.interfaces[0].id
    made_up = [
        f"reply.{interface}!" + "A" * 20,
        f"reply.{interface}!",
        f"reply.{interface}!../x",
        "reply.!x",
        "reply.x!y!z",
        f"reply.{interface}!x\ny",
        "reply.{0}!x",
        f"reply.{interface}!" + "x" * 200,
        "websocket.receive",
        "websocket.disconnect",
        "trunkline.trip",
        "\0",
        "",
    ]
    async with raw.client() as victim, raw.client() as client:
        await victim.upgrade()
        await client.upgrade()
        for name in made_up:
            client.send(frame(TEXT, f"to {name}".encode()))
        client.send(frame(TEXT, b"goes on"))

        assert await client.receive() == (0x81, b"goes on")
        victim.send(frame(TEXT, b"nothing came"))
        assert await victim.receive() == (0x81, b"nothing came")
    # A name that could be one is sent to nobody; each of the others is an error of the handler that used it.
    letters = await cluster.operator.dead_letters()
    assert len(letters) == len(made_up) - 1
    assert {letter.error.partition(":")[0] for letter in letters} == {"InvalidName", "MessageError"}
    assert all("expected" in letter.error or "only interface servers" in letter.error for letter in letters)


async def test_clients_of_one_group_hear_each_other_and_nobody_else_does(raw: Raw) -> None:
    async with raw.client() as one, raw.client() as two:
        await one.upgrade()
        await two.upgrade()
        one.send(frame(TEXT, b"all hello"))

        assert await _receive_both(one, two) == [(0x81, b"hello")] * 2


async def _receive_both(*clients: RawClient) -> list[tuple[int, bytes]]:
    return list(await asyncio.gather(*(client.receive() for client in clients)))

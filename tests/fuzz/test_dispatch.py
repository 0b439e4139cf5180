"""An interface server under any mailbox operations and any bytes of clients: it serves the others all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.bytes_ import contents, mutated, pieces_of, values
from tests.fuzz.test_frames import streams
from tests.interface.conftest import Rig
from tests.interface.conftest import settings as interface_settings
from tests.support.client_frames import RawClient, frame
from tests.support.fake_layer import echo
from trunkline.interface.frames import TEXT
from trunkline.protocol import codec
from trunkline.protocol.errors import CodecError

OWN = "own"
"""Stands for the id of the connection under attack, which is only known when it is open."""
QUIET_S = 0.002


class Server:
    """An interface server in a loop of its own, which turns while an example asks for it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.rig = self.run(Rig(interface_settings(deflate=True, outbound_bytes=65_536), echo, None).start())

    def run(self, doing: Any) -> Any:
        return self.loop.run_until_complete(doing)

    async def attacked(self) -> RawClient:
        """A new connection."""
        return await RawClient(*self.rig.address).__aenter__()

    async def check(self, client: RawClient) -> None:
        """Nothing of ours failed, and somebody else is served."""
        await client.__aexit__(None, None, None)
        async with asyncio.timeout(5), RawClient(*self.rig.address) as other:
            assert " 101 " in await other.upgrade("/other")
            other.send(frame(TEXT, b"still here"))
            assert await other.receive() == (0x81, b"still here")
        assert self.rig.drops("fault") == 0
        assert self.rig.deaths == []

    def close(self) -> None:
        self.run(self.rig.stop())
        self.loop.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


ids = st.sampled_from([OWN, OWN, OWN, "nobody", ""])
payload = st.one_of(contents, st.text(max_size=80), st.binary(max_size=80), values)
operations = st.lists(
    st.one_of(
        st.tuples(st.just(codec.RELEASE), ids, st.integers(-1, 3), st.lists(payload, max_size=3)),
        st.tuples(st.just(codec.SEND), ids, st.integers(-1, 3), payload),
        st.tuples(st.just(codec.GROUP_SEND), st.sampled_from(["g", "h", ""]), payload),
        st.tuples(st.sampled_from([codec.GROUP_ADD, codec.GROUP_DISCARD]), st.sampled_from(["g", "h"]), ids),
    ),
    min_size=1,
    max_size=6,
)


def mailbox(items: list[tuple[Any, ...]], connection: str) -> bytes:
    named = [[connection if part == OWN else part for part in item] for item in items]
    return b"\x01" + b"".join(bytes(msgpack.packb(item)) for item in named)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(operations, min_size=1, max_size=3), st.booleans())
def test_any_operations_that_can_be_read(server: Server, batches: list[Any], opened: bool) -> None:
    async def attack() -> None:
        client = await server.attacked()
        if opened:
            await client.upgrade("/", "\nSec-WebSocket-Extensions: permessage-deflate")
        connections = server.rig.connections()
        for items in batches:
            raw = mailbox(items, connections[-1].id if connections else "nobody")
            try:
                found = codec.decode_mailbox(raw)
            except CodecError:
                continue
            server.rig.layer.mail(*found)
            if opened:
                client.send(frame(TEXT, b"x"))
            await asyncio.sleep(0)
        await server.check(client)

    server.run(attack())


HEAD = (
    b"GET /a?b HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
POST = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
BODY = b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
requests = st.one_of(
    mutated(st.sampled_from([HEAD, POST, HEAD + POST, POST + HEAD, BODY])),
    st.tuples(mutated(st.just(HEAD)), streams).map(b"".join),
    streams.map(lambda data: HEAD + data),
    st.binary(max_size=40),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(requests, st.data())
def test_any_bytes_of_a_client(server: Server, data: bytes, drawn: st.DataObject) -> None:
    pieces = drawn.draw(st.composite(pieces_of)(data))

    async def attack() -> None:
        client = await server.attacked()
        try:
            for piece in pieces:
                client.send(piece)
                await client.writer.drain()
                await asyncio.sleep(0)
            async with asyncio.timeout(QUIET_S):
                await client.reader.read(-1)
        except (TimeoutError, ConnectionError):
            pass
        await server.check(client)

    server.run(attack())

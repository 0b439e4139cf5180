"""How a WebSocket is opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from benchmarks.client import Socket
from benchmarks.opening import PER_ADDRESS, Door, Refused, open_all, open_one, source_of
from benchmarks.speech import Speech
from benchmarks.tally import Tally
from benchmarks.wire import TEXT, FrameReader, server_frame
from tests.benchmarks.sockets import plain, wrapped

UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


class Hearing(Socket):
    def __init__(self, speech: Speech) -> None:
        super().__init__(Tally(), speech)
        self.heard_texts: list[bytes] = []
        self.first = asyncio.get_running_loop().create_future()

    def heard(self, message: bytes) -> None:
        self.heard_texts.append(message)
        if not self.first.done():
            self.first.set_result(None)


class Scripted:
    """A server that answers every head with the same bytes, and keeps what it heard."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.heads: list[bytes] = []
        self.peers: list[str] = []
        self._tasks: list[asyncio.Task[None] | None] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.append(asyncio.current_task())
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        self.peers.append(writer.get_extra_info("peername")[0])
        writer.write(self._answer)
        with suppress(ConnectionResetError):  # which is how its clients go
            await reader.read()
        writer.close()
        with suppress(ConnectionResetError):
            await writer.wait_closed()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[Door]:
        """Runs for the time of the block and until every client is gone."""
        async with await asyncio.start_server(self, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            yield Door(host, port, "/group/{run}")
            await asyncio.gather(*(task for task in self._tasks if task is not None))


async def test_what_comes_right_behind_the_handshake_is_the_sockets() -> None:
    handler = Scripted(UPGRADED + server_frame(b"early"))
    speech = plain()
    socket = Hearing(speech)
    async with handler.serve() as door:
        await open_one(socket, speech, door, "b1")
        await socket.first
        socket.drop()
        await socket.gone
    assert socket.heard_texts == [b"early"]
    assert handler.heads[0].startswith(b"GET /group/b1 HTTP/1.1\r\n")


async def test_an_opening_skips_what_it_waits_for_and_leaves_the_rest() -> None:
    frames = (b"hello", b"some noise", b"you have joined", b"<early>")
    handler = Scripted(UPGRADED + b"".join(map(server_frame, frames)))
    speech = wrapped()
    socket = Hearing(speech)
    async with handler.serve() as door:
        await open_one(socket, speech, door, "b1")
        await socket.first
        socket.drop()
        await socket.gone
    assert socket.heard_texts == [b"early"]
    assert b"Sec-WebSocket-Protocol: wrapped\r\n" in handler.heads[0]


async def test_a_refusal_says_what_came() -> None:
    handler = Scripted(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    speech = plain()
    async with handler.serve() as door:
        with pytest.raises(Refused, match="403 Forbidden"):
            await open_one(Socket(Tally(), speech), speech, door, "b1")


async def test_a_connection_comes_from_the_address_it_is_told() -> None:
    handler = Scripted(UPGRADED)
    speech = plain()

    async with handler.serve() as door:

        def elsewhere(index: int) -> Door:
            return replace(door, source=f"127.0.0.{index + 2}")

        sockets = await open_all(lambda index: Hearing(speech), 2, speech, elsewhere, str)
        for socket in sockets:
            socket.drop()
            await socket.gone
    assert sorted(handler.peers) == ["127.0.0.2", "127.0.0.3"]


def test_addresses_change_before_their_ports_run_out() -> None:
    assert source_of(0) == source_of(PER_ADDRESS - 1) == ""
    assert source_of(PER_ADDRESS) == "127.0.0.2"
    assert source_of(3 * PER_ADDRESS) == "127.0.0.4"


def test_the_reader_of_a_client_sees_whole_frames_only() -> None:
    reader = FrameReader()
    assert reader.feed(server_frame(b"whole") + b"\x81") == [(TEXT, b"whole")]
    assert not reader.empty
    assert reader.take() == b"\x81"
    assert reader.empty

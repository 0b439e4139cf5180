"""One client that means no good, in a process of its own: ``python -m tests.overload.abuser KIND HOST PORT``.

It comes from an address of its own (127.0.0.2), begins again whenever it is thrown out, and has the lowest priority: on
a real network it would not share the server's processors. It begins a round at SIGUSR1 and ends it at SIGUSR2, with
every connection it has; meanwhile it says how many bytes it has sent and how often it was thrown out.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
import zlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress

import uvloop

from tests.support.client_frames import RawClient, frame
from trunkline.interface.frames import BINARY, PING, PONG, TEXT

ADDRESS = "127.0.0.2"
AGAIN_S = 0.02
CONNECTIONS = 1000
NICENESS = 19
SAYS_EVERY_S = 0.25
WITHIN_RATE_S = 0.011
"""Between messages of a client that the message rate shall not throw out first."""

sent_bytes = 0
ended = 0


class Abuser(RawClient):
    """A raw client from the abuser's address."""

    async def __aenter__(self) -> Abuser:
        self.reader, self.writer = await asyncio.open_connection(*self._where, local_addr=(ADDRESS, 0))
        return self

    async def push(self, data: bytes) -> None:
        """Sends, no quicker than the server reads."""
        global sent_bytes
        if self.reader.at_eof():
            raise ConnectionResetError
        self.writer.write(data)
        sent_bytes += len(data)
        await self.writer.drain()

    async def swallow(self) -> None:
        """Reads whatever comes, until the end."""
        while await self.reader.read(1_000_000):
            pass


def bomb(size: int) -> bytes:
    """A compressed message of so many equal bytes."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (squeezer.compress(b"0" * size) + squeezer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def groups(at_once: int) -> Iterator[bytes]:
    """Ever new groups to join, so many a message."""
    for start in itertools.count(0, at_once):
        yield frame(TEXT, b" ".join(b"abuse-%d" % number for number in range(start, start + at_once)))


# Kind: path, whether it reads, what it sends over and over.
STREAMS: dict[str, tuple[str, bool, Callable[[], Iterator[bytes]]]] = {
    "flood": ("/echo/abuser", True, lambda: itertools.repeat(frame(TEXT, b"a") * 5000)),
    "slow_reader": ("/flood/abuser", False, lambda: itertools.repeat(frame(TEXT, b"4") * 20)),
    "huge_frames": ("/echo/abuser", True, lambda: itertools.repeat(frame(BINARY, b"x" * 65_536))),
    "too_huge_frames": ("/echo/abuser", True, lambda: itertools.repeat(frame(BINARY, b"x" * 2_000_000))),
    "many_groups": ("/groups/abuser", True, lambda: groups(50)),
    "ping_flood": ("/echo/abuser", True, lambda: itertools.repeat(frame(PING) * 20_000)),
    "pong_flood": ("/echo/abuser", True, lambda: itertools.repeat(frame(PONG) * 20_000)),
    "ping_flood_unread": ("/echo/abuser", False, lambda: itertools.repeat(frame(PING, b"p" * 125) * 1000)),
    "tiny_fragments": (
        "/echo/abuser",
        True,
        lambda: itertools.repeat(
            (frame(TEXT, b"a", fin=False) + frame(0, b"a", fin=False) * 1000 + frame(0, b"a")) * 10
        ),
    ),
    "compression": (
        "/echo/abuser",
        True,
        lambda: itertools.repeat(frame(BINARY, bomb(65_000), rsv=4) * 20),
    ),
    "compression_bomb": (
        "/echo/abuser",
        True,
        lambda: itertools.repeat(frame(BINARY, bomb(50_000_000), rsv=4)),
    ),
}


async def stream(kind: str, host: str, port: int) -> None:
    """One connection that sends as fast as it can."""
    path, reads, make = STREAMS[kind]
    async with Abuser(host, port) as client:
        if not reads:
            client.stop_reading()
            client.send(client.handshake(path).replace("\n", "\r\n").encode() + b"\r\n\r\n")
            await asyncio.sleep(0.2)  # until the server has accepted it, which nobody here reads
            reading = None
        else:
            await client.upgrade(path, "\nSec-WebSocket-Extensions: permessage-deflate")
            reading = asyncio.create_task(client.swallow())
        try:
            for data in make():
                await client.push(data)
                # At least a turn of the loop: who is thrown out has to notice it.
                await asyncio.sleep(WITHIN_RATE_S if path == "/groups/abuser" else 0)
                if reading is not None and reading.done():
                    return
        finally:
            if reading is not None:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)


async def connection(host: str, port: int, data: bytes) -> None:
    """One connection of many, held as long as the server lets it."""
    async with Abuser(host, port) as client:
        await client.push(data)
        await client.swallow()


def many(kind: str, host: str, port: int) -> list[Callable[[], Awaitable[None]]]:
    """What is done at once, over and over."""
    if kind in STREAMS:
        return [lambda: stream(kind, host, port)]
    client = RawClient(host, port)
    lines = client.handshake("/echo/abuser").replace("\n", "\r\n").encode()
    data = lines + b"\r\n\r\n" if kind == "many_connections" else lines
    return [lambda: connection(host, port, data)] * CONNECTIONS


KINDS: dict[str, str] = {
    "flood": "messages as fast as they go",
    "slow_reader": "asks for 4 KB replies and reads none",
    "huge_frames": "messages of 64 KiB",
    "too_huge_frames": "messages of 2 MB",
    "many_groups": "has itself put into ever new groups, 50 with each message, 90 messages a second",
    "ping_flood": "pings as fast as they go",
    "pong_flood": "pongs that nobody asked for",
    "ping_flood_unread": "pings of 125 bytes, reading no pong",
    "tiny_fragments": "messages in 1,000 fragments of a byte",
    "compression": "80 bytes that decompress to 64 KiB",
    "compression_bomb": "50 KB that decompress to 50 MB",
    "many_connections": "1,000 connections at once",
    "half_open": "1,000 half-open handshakes",
}
"""Every kind, and what it does."""
MAIN_KINDS = ("flood", "slow_reader", "huge_frames", "many_groups", "many_connections")
"""Those of which the others are variations."""


async def again(attempt: Callable[[], Awaitable[None]]) -> None:
    """Does it again whenever it has ended."""
    global ended
    while True:
        with suppress(OSError, asyncio.IncompleteReadError):
            await attempt()
        ended += 1
        await asyncio.sleep(AGAIN_S)


async def abuse(attempts: Sequence[Callable[[], Awaitable[None]]], number: int, over: asyncio.Event) -> None:
    """One round, until it is over."""
    tasks = [asyncio.create_task(again(attempt)) for attempt in attempts]
    while not over.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(SAYS_EVERY_S):
                await over.wait()
        for task in tasks:
            if task.done():
                task.result()
        print(f"round={number} sent_bytes={sent_bytes} ended={ended}", flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(f"rested round={number}", flush=True)


async def main(kind: str, host: str, port: int) -> None:
    """Abuses in rounds until it is killed."""
    loop = asyncio.get_running_loop()
    begin, over = asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, begin.set)
    loop.add_signal_handler(signal.SIGUSR2, over.set)
    attempts = many(kind, host, port)
    print(f"ready kind={kind}", flush=True)
    for number in itertools.count(1):
        await begin.wait()
        begin.clear()
        await abuse(attempts, number, over)
        over.clear()


if __name__ == "__main__":
    os.nice(NICENESS)
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))

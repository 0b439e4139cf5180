"""Decompression bombs: a kilobyte that wants to become a megabyte costs neither memory nor much time."""

from __future__ import annotations

import time
import tracemalloc
import zlib

import pytest

from tests.security.raw import Raw
from tests.support.client_frames import frame
from trunkline.interface.frames import BINARY, DEFLATE_TAIL, TEXT
from trunkline.interface.reader import FrameError, FrameReader

EXTENSION = "\nSec-WebSocket-Extensions: permessage-deflate"
LIMIT_BYTES = 65_536  # --max-message-bytes
ROOM_BYTES = 6 * LIMIT_BYTES
"""What one message may cost while it is read: its bytes, what they become, and copies; the bomb would be 60 MB."""
BOMB_S = 0.02
"""Measured 0.2 ms; a whole bomb of a gigabyte would take a second."""


def squeezed(data: bytes, level: int = 9) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(DEFLATE_TAIL)


BOMB = squeezed(bytes(60_000_000))
"""58 KB, about 1:1000, the most that deflate can: below the limit as it stands on the wire."""


def test_the_bomb_is_one() -> None:
    assert len(BOMB) < LIMIT_BYTES
    assert len(zlib.decompress(BOMB + DEFLATE_TAIL + b"\x03\x00", -15)) > 900 * len(BOMB)


@pytest.mark.parametrize("pieces", [1, 7])
def test_a_bomb_costs_no_more_memory_and_time_than_a_message_of_the_limit(pieces: int) -> None:
    size = -(-len(BOMB) // pieces)
    parts = [BOMB[at : at + size] for at in range(0, len(BOMB), size)]
    data = b"".join(
        frame(BINARY if number == 0 else 0, part, fin=number == pieces - 1, rsv=0 if number else 4)
        for number, part in enumerate(parts)
    )
    reader = FrameReader(LIMIT_BYTES, deflate=True)
    reader.feed(data)
    tracemalloc.start()
    began_s = time.process_time()
    try:
        with pytest.raises(FrameError) as failed:
            reader.next()
        took_s = time.process_time() - began_s
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert failed.value.code == 1009
    assert peak < ROOM_BYTES
    assert took_s < BOMB_S


def test_a_bomb_within_a_bomb_is_only_bytes() -> None:
    inner = squeezed(bytes(50_000))
    reader = FrameReader(LIMIT_BYTES, deflate=True)
    reader.feed(frame(BINARY, squeezed(inner), rsv=4))

    assert reader.next() == inner


def test_a_message_of_the_very_limit_is_read_and_one_byte_more_is_not() -> None:
    for extra, passes in ((0, True), (1, False)):
        reader = FrameReader(LIMIT_BYTES, deflate=True)
        reader.feed(frame(TEXT, squeezed(b"x" * (LIMIT_BYTES + extra)), rsv=4))
        if passes:
            assert reader.next() == "x" * LIMIT_BYTES
        else:
            with pytest.raises(FrameError) as failed:
                reader.next()
            assert failed.value.code == 1009


async def test_many_bombs_at_once_close_their_own_connections_with_1009(raw: Raw) -> None:
    async with raw.client() as other:
        await other.upgrade("/other")
        for _ in range(20):
            async with raw.client() as client:
                assert "permessage-deflate" in await client.upgrade("/", EXTENSION)
                client.send(frame(BINARY, BOMB, rsv=4))
                assert await client.close_code() == 1009
        other.send(frame(TEXT, b"still here"))
        assert await other.receive() == (0x81, b"still here")


async def test_an_http_body_that_is_compressed_is_not_unpacked(raw: Raw) -> None:
    body = zlib.compress(bytes(1_000_000))
    head = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Encoding: deflate\r\nConnection: close\r\n"
    answer = await raw.whole(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    assert answer.statuses == [200]
    assert len(answer.data) < 20_000

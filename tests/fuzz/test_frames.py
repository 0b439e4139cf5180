"""The frame reader: any bytes in any pieces give what another reading of RFC 6455 finds, or its close code."""

from __future__ import annotations

import itertools
import zlib
from typing import Any

from aiohttp._websocket.models import WSMessage, WSMessageTextBytes, WSMsgType
from aiohttp._websocket.reader_py import WebSocketDataQueue, WebSocketReader
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from tests.fuzz.bytes_ import mutated, pieces_of
from tests.support.client_frames import MASK, frame
from trunkline.interface.frames import BINARY, CLOSE, DEFLATE_TAIL, PING, PONG, TEXT, may_be_sent
from trunkline.interface.reader import MAX_FRAGMENTS, TURN_FRAMES, Close, FrameError, FrameReader, Ping, Pong

LIMIT = 500


def ours(pieces: list[bytes], deflate: bool) -> tuple[list[Any], int | None]:
    """Messages and the close code of a failure."""
    reader = FrameReader(LIMIT, deflate)
    found: list[Any] = []
    try:
        for piece in pieces:
            reader.feed(piece)
            reader.spent = TURN_FRAMES
            while reader.spent >= TURN_FRAMES:
                reader.spent = 0
                while (message := reader.next()) is not None:
                    found.append(message)
    except FrameError as error:
        return found, error.code
    return found, None


class Failed(Exception):
    pass


def plainly(data: bytes, deflate: bool) -> tuple[list[Any], int | None]:
    """The same, written down from RFC 6455 and 7692 step by step, of all bytes at once."""
    found: list[Any] = []
    parts: list[bytes] = []
    kind, squeezed, at = None, False, 0
    try:
        while len(data) - at >= 2:
            fin, rsv, opcode = data[at] >> 7, data[at] >> 4 & 7, data[at] & 15
            length, at_payload = data[at + 1] & 127, at + 2
            control = opcode >= 8
            need(opcode in (0, 1, 2, 8, 9, 10), 1002)
            need(rsv == 0 or (rsv == 4 and deflate and opcode in (1, 2)), 1002)
            need(not control or fin == 1, 1002)
            need(control or (opcode == 0) == (kind is not None), 1002)
            need(data[at + 1] >> 7 == 1, 1002)
            need(not control or length <= 125, 1002)
            if length > 125:
                size = 2 if length == 126 else 8
                if len(data) - at_payload < size:
                    break
                length = int.from_bytes(data[at_payload : at_payload + size], "big")
                need(length >= (126 if size == 2 else 65_536), 1002)
                at_payload += size
            need(control or sum(map(len, parts)) + length <= LIMIT, 1009)
            if len(data) - at_payload < 4 + length:
                break
            mask = data[at_payload : at_payload + 4]
            masked = data[at_payload + 4 : at_payload + 4 + length]
            payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(masked))
            at = at_payload + 4 + length
            if control:
                found.append(control_frame(opcode, payload))
                continue
            if kind is None:
                kind, squeezed = opcode, rsv == 4
            need(len(parts) < MAX_FRAGMENTS, 1009)
            parts.append(payload)
            if fin:
                whole = b"".join(parts)
                found.append(message(kind, inflated(whole) if squeezed else whole))
                parts, kind = [], None
    except Failed as failed:
        return found, int(str(failed))
    return found, None


def need(holds: bool, code: int) -> None:
    if not holds:
        raise Failed(code)


def control_frame(opcode: int, payload: bytes) -> Any:
    if opcode != 8:
        return Ping(payload) if opcode == 9 else Pong(payload)
    if not payload:
        return Close(1005, "")
    code = int.from_bytes(payload[:2], "big")
    need(len(payload) >= 2 and may_be_sent(code), 1002)
    return Close(code, text(payload[2:]))


def message(kind: int, data: bytes) -> str | bytes:
    return text(data) if kind == 1 else data


def text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Failed(1007) from None


def inflated(data: bytes) -> bytes:
    opener = zlib.decompressobj(-15)
    try:
        plain = opener.decompress(data + DEFLATE_TAIL, LIMIT + 1)
    except zlib.error:
        raise Failed(1007) from None
    need(len(plain) <= LIMIT, 1009)
    return plain


def squeeze(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(DEFLATE_TAIL)


payloads = st.one_of(
    st.text(max_size=60).map(str.encode),
    st.binary(max_size=140),
    st.integers(0, 700).map(lambda size: b"x" * size),
    st.text(max_size=60).map(str.encode).map(squeeze),
    st.integers(0, 3000).map(lambda size: squeeze(b"x" * size)),
    st.tuples(st.integers(0, 5100), st.text(max_size=50)).map(
        lambda p: p[0].to_bytes(2, "big") + p[1].encode()
    ),
)
one_frame = st.builds(
    frame,
    st.one_of(st.sampled_from([0, TEXT, BINARY, CLOSE, PING, PONG]), st.integers(0, 15)),
    payloads,
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 4, 4, 1, 2, 7]),
    masked=st.sampled_from([True] * 9 + [False]),
)


@st.composite
def forms(draw: st.DrawFn) -> bytes:
    """A frame whose length is written in any form, also a longer one than it needs."""
    size = draw(st.sampled_from([0, 1, 125, 126, 127, 499, 500, 501]))
    form, octets = draw(st.sampled_from([(126, 2), (127, 8)]))
    return bytes((0x82, 0x80 | form)) + size.to_bytes(octets, "big") + MASK + bytes(size)


@st.composite
def whole_message(draw: st.DrawFn) -> bytes:
    """A message as it should be, in one or several frames, with pings between them."""
    kind, data = draw(st.sampled_from([TEXT, BINARY])), draw(payloads)
    cuts = [0, *sorted(draw(st.lists(st.integers(0, len(data)), max_size=3))), len(data)]
    frames = []
    for number, (start, end) in enumerate(itertools.pairwise(cuts)):
        frames.append(frame(0 if number else kind, data[start:end], fin=number == len(cuts) - 2))
        if draw(st.booleans()):
            frames.append(frame(draw(st.sampled_from([PING, PONG])), b"p"))
    return b"".join(frames)


some_frames = st.one_of(one_frame, whole_message(), forms())
streams = st.one_of(
    mutated(st.lists(some_frames, min_size=1, max_size=6).map(b"".join)),
    st.lists(whole_message(), min_size=2, max_size=8).map(b"".join),
    st.binary(max_size=60),
)


@given(streams, st.booleans(), st.data())
def test_any_bytes_in_any_pieces(data: bytes, deflate: bool, drawn: st.DataObject) -> None:
    pieces = drawn.draw(st.composite(pieces_of)(data))

    assert ours(pieces, deflate) == plainly(data, deflate)


class Queue(WebSocketDataQueue):
    """Where aiohttp's reader puts what it finds."""

    def __init__(self) -> None:
        self._size, self._limit, self._stalled_reader = 0, 1 << 30, None
        self.found: list[tuple[WSMsgType, Any, Any]] = []

    def feed_data(self, data: WSMessage | WSMessageTextBytes, size: int) -> None:
        self.found.append(tuple(data))


_SHAPES = {WSMsgType.PING: Ping, WSMsgType.PONG: Pong}


@given(streams, st.booleans())
def test_what_we_take_aiohttps_reader_reads_alike(data: bytes, deflate: bool) -> None:
    mine, failed = ours([data], deflate)
    if failed is not None or any(type(item) is Close for item in mine):
        return  # it is more lenient with some mistakes, and ends at a close
    queue = Queue()
    WebSocketReader(queue, 0, deflate, True)._feed_data(data)

    theirs = [_SHAPES[kind](bytes(value)) if kind in _SHAPES else value for kind, value, _ in queue.found]
    assert [bytes(item) if type(item) is bytearray else item for item in theirs] == mine


@given(streams)
def test_what_we_take_the_websockets_library_reads_alike(data: bytes) -> None:
    mine, failed = ours([data], False)
    if failed is not None:
        return
    theirs = ServerProtocol(state=State.OPEN, max_size=LIMIT)
    theirs.receive_data(data)
    parts: list[bytes] = []
    found: list[Any] = []
    kind = Opcode.BINARY
    for event in theirs.events_received():
        assert isinstance(event, Frame)
        body = bytes(event.data)
        if event.opcode in (Opcode.PING, Opcode.PONG):
            found.append(Ping(body) if event.opcode is Opcode.PING else Pong(body))
        elif event.opcode is Opcode.CLOSE:
            found.append(control_frame(8, body))
        else:
            kind = event.opcode if event.opcode is not Opcode.CONT else kind
            parts.append(body)
            if event.fin:
                found.append(message(int(kind), b"".join(parts)))
                parts = []
    # It reads nothing behind a close; we hand that on, and the connection drops it.
    ends = next((at + 1 for at, item in enumerate(mine) if type(item) is Close), len(mine))
    assert found == mine[:ends]

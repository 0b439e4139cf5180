"""Answers of Redis: any bytes in any pieces raise nothing, and each callback is called once at most, in order."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.bytes_ import mutated, pieces_of
from trunkline.protocol.redis_layer.wire import Wire


class Transport:
    """A transport that only notes that it was cut."""

    def __init__(self) -> None:
        self.aborted = False
        self.written = b""

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        pass

    def is_reading(self) -> bool:
        return True

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        self.aborted = True


def encoded(value: Any) -> bytes:
    """A value as RESP2 writes it."""
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, bool | int):
        return b":%d\r\n" % value
    if isinstance(value, bytes):
        return b"$%d\r\n%b\r\n" % (len(value), value)
    if isinstance(value, str):
        return b"%b\r\n" % value.encode("ascii", "ignore")
    return b"*%d\r\n%b" % (len(value), b"".join(map(encoded, value)))


answers = st.recursive(
    st.one_of(
        st.none(),
        st.integers(-(2**63), 2**63 - 1),
        st.binary(max_size=20),
        st.sampled_from(["+OK", "-ERR no", "-NOPERM this user has no permissions", "-"]),
    ),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)
# Types of RESP3 too: a Redis that was told RESP2 sends none, but somebody else may stand at its address.
other = st.sampled_from(
    [
        b"%1\r\n+a\r\n+b\r\n",
        b"~1\r\n:1\r\n",
        b"#t\r\n",
        b",1.5\r\n",
        b"_\r\n",
        b"(12\r\n",
        b">1\r\n:1\r\n",
        b"=5\r\ntxt:a\r\n",
    ]
)
streams = st.one_of(
    mutated(st.lists(st.one_of(answers.map(encoded), other), min_size=1, max_size=6).map(b"".join)),
    st.binary(max_size=40),
)


@given(streams, st.integers(0, 8), st.integers(0, 8), st.data())
def test_any_answer(data: bytes, waiting: int, failing: int, drawn: st.DataObject) -> None:
    transport = Transport()
    lost: list[bool] = []
    wire = Wire(cast(asyncio.Transport, transport), lambda: lost.append(True))
    got: list[int] = []

    def callback(number: int) -> Any:
        def called(answer: Any) -> None:
            got.append(number)
            if number == failing:
                raise RuntimeError("a callback of ours that fails")

        return called

    for number in range(waiting):
        wire.call(["PING", str(number)], callback(number))
    for piece in drawn.draw(st.composite(pieces_of)(data)):
        wire.data_received(piece)
        if transport.aborted:
            break

    assert got == list(range(len(got)))
    assert (wire.oldest is None) == (len(got) == waiting)
    wire.connection_lost(None)
    assert lost == [True] and wire.oldest is None

"""Bytes that are nearly right: valid ones with a few mistakes, which reach further into a reader than random ones."""

from __future__ import annotations

import json
from typing import Any

import msgpack
from hypothesis import strategies as st

from tests.support.commands import ROOT

VECTORS: list[dict[str, Any]] = json.loads((ROOT / "protocol" / "vectors.json").read_text())["vectors"]


def corpus(kind: str) -> list[bytes]:
    """The examples of the wire contract, right and wrong ones."""
    return [bytes.fromhex(vector["hex"]) for vector in VECTORS if vector["kind"] == kind]


@st.composite
def mutated(draw: st.DrawFn, valid: st.SearchStrategy[bytes]) -> bytes:
    """Bytes with up to four mistakes."""
    data = bytearray(draw(valid))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.integers(0, 5))
        if kind == 0:
            data[at:at] = draw(st.binary(max_size=6))
        elif kind == 1 and at < len(data):
            data[at] = draw(st.integers(0, 255))
        elif kind == 2 and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == 3:
            del data[at : at + draw(st.integers(1, 8))]
        elif kind == 4:
            end = at + draw(st.integers(1, 16))
            data[at:at] = data[at:end]
        else:
            del data[at:]
    return bytes(data)


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.sampled_from(["text", "bytes", "close", "accept", "status", "reply.i0!c0", "\0", "{0}", "x" * 300]),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(
            st.one_of(st.text(max_size=8), st.integers(0, 9), st.binary(max_size=4)), inner, max_size=5
        ),
    ),
    max_leaves=20,
)
"""Whatever msgpack holds."""

_RIGHT: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(max_size=9),
    "bytes": st.binary(max_size=9),
    "close": st.sampled_from([True, False, 1000, 4000, 1005]),
    "reason": st.sampled_from(["bye", "x" * 124]),
    "accept": st.booleans(),
    "subprotocol": st.sampled_from(["chat", "a b"]),
    "headers": st.sampled_from([[["a", "b"]], [["a", "b\r\nc"]], [[b"a", b"b"]], {"a": "b"}]),
    "status": st.sampled_from([200, 403, 500, 99]),
    "content": st.one_of(st.binary(max_size=9), st.text(max_size=9)),
    "more_content": st.booleans(),
    "x": values,
}


@st.composite
def _contents(draw: st.DrawFn) -> dict[str, Any]:
    # Mostly what belongs there: a check behind another is reached only by what passes the first.
    names = draw(st.lists(st.sampled_from(list(_RIGHT)), max_size=4, unique=True))
    return {name: draw(_RIGHT[name] if draw(st.integers(0, 3)) else values) for name in names}


contents = _contents()
"""Maps with the keys of the wire contract, most of them with what belongs under them, some with anything."""


def packed(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """Values behind the version byte."""
    return strategy.map(lambda value: b"\x01" + bytes(msgpack.packb(value)))


def pieces_of(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The same bytes as they may arrive."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]

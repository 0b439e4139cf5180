"""Centrifugo's client protocol in JSON.

Commands have a number and their replies the same, pushes have none, ``{}`` is a ping. A frame holds several of them,
one a line, if they were due at once; see https://centrifugal.dev/docs/transports/client_protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from benchmarks.dialect import RUN, Dialect, Step

PATH: Final = "/connection/websocket"

_PING: Final = b"{}"
_DATA: Final = b'"data":"'
_QUOTE: Final = b'"'
_CALL: Final = b'{"id":2,"rpc":{"method":"'
"""The number is always the same: the server gives it back and does not ask whether it had it before."""


def call(method: bytes) -> Callable[[bytes], bytes]:
    """Message to the command that calls a method of the backend with it."""

    def encode(message: bytes) -> bytes:
        return _CALL + method + b'","data":"' + message + b'"}}'

    return encode


def answered(message: bytes) -> bytes:
    """The reply to a call whose result is the message."""
    return b'{"id":2,"rpc":{"data":"' + message + b'"}}'


def messages(text: bytes) -> Sequence[bytes]:
    """What replies and pushes carry; none for those without data."""
    found = []
    at = text.find(_DATA)
    while at >= 0:
        start = at + len(_DATA)
        end = text.index(_QUOTE, start)
        found.append(text[start:end])
        at = text.find(_DATA, end)
    return found


def pong(text: bytes) -> bytes | None:
    """The answer to a ping: without it the server closes after 8 s."""
    return _PING if text == _PING else None


def _answering(method: bytes) -> Dialect:
    opening = (Step(send=b'{"id":1,"connect":{}}', until=b'"connect"'),)
    return Dialect(opening, encode=call(method), decode=messages, answer=pong, reply=answered)


ECHO: Final = _answering(b"echo")
SLEEP: Final = _answering(b"sleep")
BURN: Final = _answering(b"burn")
ROOM: Final = Dialect(
    opening=(Step(send=b'{"id":1,"connect":{"data":{"room":"' + RUN + b'"}}}', until=b'"connect"'),),
    encode=call(b"tell"),
    decode=messages,
    answer=pong,
)

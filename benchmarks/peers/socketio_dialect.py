"""The frames of Socket.IO 5 over Engine.IO 4: a digit for each protocol, then JSON.

``0`` opens Engine.IO, ``2`` and ``3`` are its ping and pong, ``40`` joins a namespace, ``42`` is an event; see
https://socket.io/docs/v4/socket-io-protocol/. The event of a message is called ``m``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchmarks.dialect import RUN, Dialect, Step

PATH: Final = "/socket.io/?EIO=4&transport=websocket"

_OPEN: Final = b'0{"sid"'
_JOIN_NAMESPACE: Final = b"40"
_NAMESPACE_JOINED: Final = b'40{"sid"'
_PING: Final = b"2"
_PONG: Final = b"3"
_EVENT: Final = b"42"
_DONE: Final = b'42["done"'
_BEFORE: Final = _EVENT + b'["m","'
_AFTER: Final = b'"]'


def event(message: bytes) -> bytes:
    """The event of a message, the same in both directions."""
    return _BEFORE + message + _AFTER


def messages(text: bytes) -> Sequence[bytes]:
    """The message of an event; none of anything else."""
    if text.startswith(_BEFORE) and text.endswith(_AFTER):
        return (text[len(_BEFORE) : -len(_AFTER)],)
    return ()


def pong(text: bytes) -> bytes | None:
    """The answer to a ping: without it the server closes after 20 s."""
    return _PONG if text == _PING else None


_CONNECT: Final = (Step(until=_OPEN), Step(send=_JOIN_NAMESPACE, until=_NAMESPACE_JOINED))


def _dialect(*asked: bytes) -> Dialect:
    """The dialect of connections that ask for something first; the server says when it has done it."""
    steps = tuple(Step(send=_EVENT + text, until=_DONE) for text in asked)
    return Dialect((*_CONNECT, *steps), encode=event, decode=messages, answer=pong, reply=event)


ECHO: Final = _dialect()
ROOM: Final = _dialect(b'["join","' + RUN + b'"]')
SLEEP: Final = _dialect(b'["work","sleep"]')
BURN: Final = _dialect(b'["work","burn"]')

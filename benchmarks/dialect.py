"""How a server wants its text frames: what a client says first, and how a message is wrapped.

Pure: bytes of text frames in, bytes of text frames out. The WebSocket frames around them are `wire`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

RUN: Final = b"{run}"
"""In a step's text: replaced by the run's name, or the room's, as in a route's path."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something said after the handshake.

    Attributes:
        send: text frame to send; nothing if empty. `RUN` in it is replaced.
        until: frames are skipped up to the first that contains this, which is skipped too; none if empty.
    """

    send: bytes = b""
    until: bytes = b""


def same(text: bytes) -> bytes:
    """The text frame of a message where none is wrapped."""
    return text


def alone(text: bytes) -> Sequence[bytes]:
    """The messages in a text frame where none is wrapped."""
    return (text,)


def nothing(text: bytes) -> bytes | None:
    """No frame wants an answer."""
    return None


@dataclass(frozen=True, slots=True)
class Dialect:
    """What lies between WebSocket frames and messages.

    Attributes:
        opening: what is said before the first message, in this order.
        encode: message to the text of the frame that a client sends.
        decode: text of a frame of the server to the messages in it; none if it is noise, such as a ping or a receipt.
        answer: text of a frame without messages to that of the frame the server waits for, a pong most of all; None if
            it waits for none.
        reply: message to the text of the frame in which the server sends it, where that is always the same to the
            byte; such frames are compared and not decoded. None if it is not, then `decode` sees each of them.
        subprotocol: Sec-WebSocket-Protocol of the handshake; no such header if empty.

    Messages are ASCII without quotes, backslashes, spaces or control characters (letters, digits, dots), so that JSON
    needs no escapes. `encode` is called before the measured time, or once a message in a paced load.
    """

    opening: Sequence[Step] = ()
    encode: Callable[[bytes], bytes] = same
    decode: Callable[[bytes], Sequence[bytes]] = alone
    answer: Callable[[bytes], bytes | None] = nothing
    reply: Callable[[bytes], bytes] | None = None
    subprotocol: str = ""


PLAIN: Final = Dialect(reply=same)
"""A message is a text frame."""

"""A dialect as a generator uses it: found by its name, and decoding a frame once for all who get it."""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence

from .dialect import RUN, Dialect
from .wire import TEXT, client_frame


class Speech:
    """What the sockets of a load share.

    Args:
        name: ``module:attribute`` of the dialect.

    Raises:
        TypeError: there is something else under that name.
    """

    __slots__ = ("_last", "_messages", "dialect")

    def __init__(self, name: str) -> None:
        found = pkgutil.resolve_name(name)
        if not isinstance(found, Dialect):
            raise TypeError(f"{name} is a {type(found).__name__}, expected a Dialect")
        self.dialect = found
        self._last: bytes | None = None
        self._messages: Sequence[bytes] = ()

    def decode(self, text: bytes) -> Sequence[bytes]:
        """The messages in a frame; one that all members of a group get is decoded for the first of them."""
        if text != self._last:
            self._messages = self.dialect.decode(text)
            self._last = text
        return self._messages

    def frame(self, message: bytes) -> bytes:
        """The frame in which a client sends a message."""
        return client_frame(self.dialect.encode(message))

    def pong(self, text: bytes) -> bytes | None:
        """The frame that answers one without messages, None if it wants none."""
        answer = self.dialect.answer(text)
        return None if answer is None else client_frame(answer, TEXT)

    def opening(self, room: str) -> list[tuple[bytes, bytes]]:
        """What is said before the first message: pairs of a frame to send and what to wait for, either may be empty."""
        named = room.encode()
        return [
            (
                client_frame(step.send.replace(RUN, named)) if step.send else b"",
                step.until.replace(RUN, named),
            )
            for step in self.dialect.opening
        ]

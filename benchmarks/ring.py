"""The messages that are sent over and over, in a cycle, and the bytes in which they come back.

What a server may send is known beforehand, so most of it is compared and not parsed: the generator must cost less than
what it measures.
"""

from __future__ import annotations

from typing import Final

from .speech import Speech
from .wire import server_frame

LENGTH: Final = 32
"""Messages that differ, a power of two; enough to see one that is lost, doubled or late."""
SHORT_LENGTH: Final = 4
_LARGE_BYTES: Final = 4096
"""From this size on a ring is short: thousands of large messages in memory would measure the memory."""

LEAST_BYTES: Final = 16


def payload(connection: int, number: int, size: int = LEAST_BYTES) -> bytes:
    """The text of a message; no other connection has the same.

    Args:
        connection: whose.
        number: of the message.
        size: bytes, at least `LEAST_BYTES`.
    """
    return (b"%06d.%09d" % (connection, number)).ljust(size, b".")


class Ring:
    """A cycle of messages.

    Args:
        owner: number of the connection or room; messages of two owners differ.
        size: bytes of a message.
        speech: how they are wrapped.

    Attributes:
        messages: in order.
        frames: in which a client sends each.
        stream: the bytes in which a server sends them all, empty if it may wrap them otherwise.
        frame_bytes: of each message in the stream.
    """

    __slots__ = ("frame_bytes", "frames", "messages", "stream")

    def __init__(self, owner: int, size: int, speech: Speech) -> None:
        length = LENGTH if size < _LARGE_BYTES else SHORT_LENGTH
        self.messages = [payload(owner, number, size) for number in range(length)]
        self.frames = [speech.frame(message) for message in self.messages]
        reply = speech.dialect.reply
        answers = [] if reply is None else [server_frame(reply(message)) for message in self.messages]
        if len(set(map(len, answers))) > 1:
            raise ValueError(f"expected replies of one length, got {sorted(set(map(len, answers)))}")
        self.stream = b"".join(answers)
        self.frame_bytes = len(answers[0]) if answers else 0

    def __len__(self) -> int:
        return len(self.messages)

    def matches(self, at: int, data: bytes) -> bool:
        """Whether the stream goes on with these bytes.

        Args:
            at: where in the stream, below its length.
            data: what came.
        """
        end = at + len(data)
        stream = self.stream
        if end > len(stream):
            stream *= -(-end // len(stream))
        return stream[at:end] == data

    def was_before(self, message: bytes, position: int) -> bool:
        """Whether a message that is not due is one of the half of the ring that came last: then it is a duplicate."""
        try:
            found = self.messages.index(message)
        except ValueError:
            return False
        return 0 < (position - found) % len(self) <= len(self) // 2

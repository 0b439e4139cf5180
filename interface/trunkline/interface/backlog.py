"""Messages to a client that reads more slowly than they come, and what is done about it. Bounded in bytes always.

======================  =================================================================================
``close``               the default: beyond ``--outbound-bytes`` of unsent data the connection is closed with 1013
``drop_oldest``         the oldest messages that have not begun to leave are dropped until the newest has room
``latest_only``         only the newest message waits: for tickers and positions, where an old one is worthless
======================  =================================================================================

What the transport holds has begun to leave and cannot be taken back: half a frame would break the stream. So with the
dropping policies messages wait here, whole, and the transport gets them only while it holds nothing unsent. As long as
the client keeps up nothing waits: a message goes straight through. Order never changes; no message is compressed with
the help of another (see `frames`), so any of them may be missing.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

log = logging.getLogger(__name__)

PIECE_BYTES: Final = 65_536
"""What the transport is given at a time from the queue, about: what it has can no longer be dropped."""
HIGH_BYTES: Final = 1
"""Unsent bytes from which on the transport counts as full. Not 0: TLS transports would then always be."""
UNSENT_BYTES: Final = 16_384
"""Bytes the kernel may hold that it has not sent (``TCP_NOTSENT_LOWAT``): by default it takes megabytes from a socket
whose client has fallen behind, and every one of them is older than what waits here."""


class Policy(enum.Enum):
    """What happens to messages that a client does not read in time."""

    CLOSE = "close"
    DROP_OLDEST = "drop_oldest"
    LATEST_ONLY = "latest_only"


POLICIES: Final = {policy.value: policy for policy in Policy}


class Backlog:
    """The queue in front of a transport, for the policies that drop.

    Args:
        transport: where frames go.
        policy: ``DROP_OLDEST`` or ``LATEST_ONLY``.
        max_bytes: frames that wait at most.
        on_drop: told how many messages were dropped.

    Attributes:
        waiting_bytes: bytes of the frames that wait.
    """

    __slots__ = (
        "_frames",
        "_full",
        "_latest_only",
        "_max_bytes",
        "_on_drop",
        "_pong",
        "_transport",
        "waiting_bytes",
    )

    def __init__(
        self, transport: asyncio.Transport, policy: Policy, max_bytes: int, on_drop: Callable[[int], None]
    ) -> None:
        self._transport = transport
        self._latest_only = policy is Policy.LATEST_ONLY
        self._max_bytes = max_bytes
        self._on_drop = on_drop
        self._frames: deque[bytes] = deque()
        self._full = False
        self._pong = b""
        self.waiting_bytes = 0
        transport.set_write_buffer_limits(high=HIGH_BYTES, low=0)
        _keep_little(transport.get_extra_info("socket"))

    def write(self, frames: Sequence[bytes]) -> bool:
        """Writes whole messages, or lets them wait, older ones dropped for them.

        Returns:
            False if one of them is larger than all that may wait: this connection cannot be served within its bound.
        """
        queue = self._frames
        if not self._full:
            # Nothing waits then.
            if len(frames) == 1:
                self._transport.write(frames[0])
                return True
            queue.extend(frames)
            self.waiting_bytes = sum(map(len, frames))
            self._pour()
        else:
            for frame in frames:
                queue.append(frame)
                self.waiting_bytes += len(frame)
        return self._trim()

    def _trim(self) -> bool:
        """Drops the oldest of what waits, as the policy says; the newest stays."""
        queue = self._frames
        dropped = 0
        while len(queue) > 1 and (self._latest_only or self.waiting_bytes > self._max_bytes):
            self.waiting_bytes -= len(queue.popleft())
            dropped += 1
        if dropped:
            self._on_drop(dropped)
        return self.waiting_bytes <= self._max_bytes

    def pong(self, frame: bytes) -> None:
        """Answers a ping; of several pings while nothing leaves only the last is answered (RFC 6455 section 5.5.3)."""
        if self._full:
            self._pong = frame
        else:
            self._transport.write(frame)

    def pause(self) -> bool:
        """The transport has unsent bytes. False if they are more than the bound: one message too large for it."""
        self._full = True
        return self._transport.get_write_buffer_size() <= self._max_bytes

    def resume(self) -> None:
        """The transport has sent everything: gives it what waits, a piece at a time."""
        self._full = False
        if self._pong:
            pong, self._pong = self._pong, b""
            self._transport.write(pong)
        self._pour()

    def finish(self) -> None:
        """Gives the transport all that waits, for nothing but a close frame follows: what was said before it is not
        lost, unless it is more than the bound."""
        if self.waiting_bytes > self._max_bytes:
            self._on_drop(len(self._frames))
            self._frames.clear()
            self.waiting_bytes = 0
        while self._frames:
            self._transport.write(self._piece())

    def _pour(self) -> None:
        # Writing tells at once, by `pause`, whether the transport could send all of it.
        while self._frames and not self._full:
            self._transport.write(self._piece())

    def _piece(self) -> bytes:
        """Takes the oldest messages that make a piece, at least one."""
        queue = self._frames
        piece = [queue.popleft()]
        size = len(piece[0])
        while queue and size + len(queue[0]) <= PIECE_BYTES:
            piece.append(queue.popleft())
            size += len(piece[-1])
        self.waiting_bytes -= size
        return piece[0] if len(piece) == 1 else b"".join(piece)


def _keep_little(sock: Any) -> None:
    """Lets the kernel take only what it can soon send, where it can be told so (Linux, macOS; TCP)."""
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is None or sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    try:
        sock.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)
    except OSError:
        # Not every system behind the constant knows it; what waits in the kernel is then merely older.
        log.debug("TCP_NOTSENT_LOWAT cannot be set here")

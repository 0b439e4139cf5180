"""The writing half of a WebSocket: whole frames to the transport, those of one mailbox batch in one write."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import TYPE_CHECKING

from . import frames
from .backlog import Backlog, Policy
from .inbound import Inbound
from .states import CONNECTING, OPEN

if TYPE_CHECKING:
    from .tenure import Tenure


class Outbound(Inbound):
    """Writes messages, and keeps what is unsent within its bound.

    Args:
        tenure: what it shares with all others.
    """

    __slots__ = ("_backlog", "_early_bytes", "_out")

    def __init__(self, tenure: Tenure) -> None:
        super().__init__(tenure)
        # What is written before the upgrade, or within one mailbox batch; None if it goes out directly.
        self._out: list[bytes] | None = []
        self._early_bytes = 0
        # With a policy that drops; with the one that closes nothing waits outside of the transport.
        self._backlog: Backlog | None = None

    # ---- what a WebSocket does about it ----

    @abstractmethod
    def abandon(self, status: int, text: str) -> None:
        """It was closed before it was open: answer the handshake with this HTTP status."""

    @abstractmethod
    def too_slow(self) -> None:
        """More is unsent than the bound allows: close it."""

    # ---- writing ----

    def limit_unsent(self, transport: asyncio.Transport, policy: Policy) -> None:
        """From now on what is unsent is bounded in the way of this policy."""
        max_bytes = self._tenure.settings.outbound_bytes
        if policy is Policy.CLOSE:
            transport.set_write_buffer_limits(high=max_bytes)
        else:
            self._backlog = Backlog(transport, policy, max_bytes, self._dropped)

    def _dropped(self, count: int) -> None:
        self._tenure.drop("outbound", count)

    def write(self, frame: bytes) -> None:
        """Writes the frame of one message; it leaves with the others of this mailbox batch."""
        tenure = self._tenure
        if self.state is not OPEN:
            if self.state is not CONNECTING or self._out is None:
                tenure.drop("closed")
                return
            self._early_bytes += len(frame)
            if self._early_bytes > tenure.settings.outbound_bytes:
                tenure.drop("early")
                self.abandon(503, "too much was sent before the connection was accepted")
                return
        metrics = tenure.metrics
        metrics.messages_out.value += 1
        metrics.bytes_out.value += len(frame)
        if self._out is not None:
            self._out.append(frame)
        elif tenure.joining is not None:
            self._out = [frame]
            tenure.joining.append(self)
        elif self._backlog is not None:
            if not self._backlog.write((frame,)):
                self.too_slow()
        elif self._transport is not None:  # it is there as long as this is open
            self._transport.write(frame)

    def flush(self) -> None:
        """Writes what `write` has collected."""
        out, self._out = self._out, None
        if out and self._transport is not None:
            if self._backlog is None:
                self._transport.write(out[0] if len(out) == 1 else b"".join(out))
            elif not self._backlog.write(out):
                self.too_slow()

    def say_all(self) -> None:
        """A close frame follows: writes whatever waits. It is no more than the bound, and nothing comes behind it."""
        self.flush()
        if self._backlog is not None:
            self._backlog.finish()

    def pinged(self, payload: bytes) -> None:
        """A ping came: answers it."""
        if self._backlog is not None:
            self._backlog.pong(frames.pong(payload))
        elif self._transport is not None:
            self._transport.write(frames.pong(payload))

    def pause_writing(self) -> None:
        """The client does not read: as much as the policy allows is unsent, that is anything with one that drops."""
        if self._backlog is None or not self._backlog.pause():
            self.too_slow()

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._backlog is not None and self.state is OPEN:
            self._backlog.resume()

    @property
    def outbound_bytes(self) -> int:
        """Bytes written that the kernel has not taken, with those that wait to be written."""
        unsent = self._transport.get_write_buffer_size() if self._transport is not None else 0
        return unsent + (self._backlog.waiting_bytes if self._backlog is not None else 0)

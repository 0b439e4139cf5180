"""The mailbox of an interface server."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any

from ..codec import decode_mailbox, encode_mailbox
from ..errors import CodecError
from ..process.logs import RateLimited

_log = RateLimited(logging.getLogger(__name__))


class Mailbox:
    """Carries operations to an interface server, in the loop iteration after they were posted, in order.

    It needs no bound: all that is in it leaves in the loop iteration that follows.

    Args:
        receive: `InterfaceReceiver.mailbox`.
        call_soon: of the loop that opened the interface's side.
        drops: where the bus counts what it drops, by reason.
    """

    __slots__ = ("_call_soon", "_drops", "_entries", "_receive")

    def __init__(
        self,
        receive: Callable[[list[list[Any]], str], None],
        call_soon: Callable[[Callable[[], None]], object],
        drops: Counter[str],
    ) -> None:
        self._receive = receive
        self._call_soon = call_soon
        self._drops = drops
        self._entries: deque[tuple[str, bytes]] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def post(self, token: str, chunks: Iterable[bytes]) -> None:
        """Appends one entry.

        Args:
            token: its id.
            chunks: encoded operations, in their order.
        """
        self._entries.append((token, encode_mailbox(chunks)))
        self._call_soon(self._deliver)

    def close(self) -> None:
        """Forgets what was not delivered; nothing comes any more."""
        self._entries.clear()

    def _deliver(self) -> None:
        if not self._entries:  # It was closed meanwhile.
            return
        token, raw = self._entries.popleft()
        try:
            operations = decode_mailbox(raw)
        except CodecError as error:
            self._drops["mailbox_garbage"] += 1
            _log.warning("mailbox_garbage", "mailbox entry dropped token=%s error=%s", token, error)
            return
        self._receive(operations, token)

"""The reading of a mailbox: one blocking read after the other, each handled in a callback."""

from __future__ import annotations

import logging
import time

import hiredis

from ..codec import decode_mailbox
from ..errors import CodecError
from ..names import Keys
from ..redis_layout import Place
from .anew import stream_id
from .cluster_link import link_to
from .faults import tell_fault
from .packing import END, length_line, pack
from .scripts import SCRIPTS
from .silence import GIVE_UP_S
from .standing import Standing
from .wire import Answer

log = logging.getLogger(__name__)

READ_COUNT = 200
"""Mailbox entries in one read."""
READ_BLOCK_MS = 5000
READ_LIMIT_S = READ_BLOCK_MS / 1000 + GIVE_UP_S
"""A read without an answer for so long has lost its connection, and nobody was told."""


class MailboxReading:
    """Reads the mailbox of an interface server.

    Args:
        place: where Redis is.
        keys: of the shard.
        standing: of the interface.

    Attributes:
        link: on which the reads block.
        read_id: id of the last entry handled.
        mark: where the mailbox stood when the present Redis took over, as it told.
    """

    __slots__ = ("_keys", "_packed", "_since_s", "_standing", "link", "mark", "read_id")

    def __init__(self, place: Place, keys: Keys, standing: Standing) -> None:
        self._keys = keys
        self._standing = standing
        self._since_s: float | None = None
        self._packed = b""
        self.link = link_to(place, "trunkline-mailbox", self._up, self._down)
        self.read_id = "0-0"
        self.mark = ""

    def fall_back(self, mark: str, last_id: str, mark_before: str, read_before: str) -> None:
        """Redis may have fallen back behind what was read here: what it writes from now on follows its own last id.

        Args:
            mark: as Redis has told on the other link.
            last_id: of the mailbox, likewise.
            mark_before: `mark` when it was asked. What was told here since is newer.
            read_before: `read_id` when it was asked. Whatever was read since stands behind that in any case, and read a
                second time would be sent to clients twice.
        """
        if self.mark != mark_before:
            return
        if self._take_over(mark):
            if self.link.up:
                self.link.reset(
                    "it may be to the Redis that was there before, or wait for ids that come no more"
                )
        elif self.read_id == read_before and stream_id(last_id) < stream_id(self.read_id):
            self.read_id = last_id

    def _take_over(self, mark: str) -> bool:
        """Whether another Redis has taken over. If it has forgotten what was read here it may give ids, and have given
        some already, that were read past: what stood there when it took over tells what is new."""
        if not mark or mark == self.mark:
            return False
        self.mark = mark
        stood = mark.partition(" ")[2]
        if stream_id(stood) < stream_id(self.read_id):
            self.read_id = stood
        return True

    def look(self) -> None:
        """Starts over if a read lasts longer than Redis lets it."""
        if self._since_s is not None and time.monotonic() - self._since_s > READ_LIMIT_S:
            self.link.reset("no answer to a read, which Redis ends by itself")

    async def _up(self) -> None:
        me = self._standing.id
        answer = await self.link.ask(SCRIPTS["arrive"].call([self._keys.stood], [self._keys.base, me]))
        self._take_over(answer.decode())
        self._read()

    def _down(self) -> None:
        self._since_s = None

    def _read(self) -> None:
        if self._standing.ended:
            return
        self._since_s = time.monotonic()
        read_id = self.read_id.encode()
        self.link.send(
            b"".join((self._packed or self._command(), length_line(len(read_id)), read_id, END)),
            self._have_read,
        )

    def _command(self) -> bytes:
        """The read as it goes over the wire, but for its last argument, which alone is another each time
        (https://redis.io/docs/latest/develop/reference/protocol-spec/)."""
        mailbox = self._keys.mailbox(self._standing.id)
        whole = pack(["XREAD", "COUNT", READ_COUNT, "BLOCK", READ_BLOCK_MS, "STREAMS", mailbox, ""])
        self._packed = whole.removesuffix(b"$0\r\n\r\n")
        return self._packed

    def _have_read(self, answer: Answer) -> None:
        standing = self._standing
        if standing.ended:
            return
        if isinstance(answer, hiredis.ReplyError):
            self.link.reset(answer)
            return
        if answer:
            for entry_id, fields in answer[0][1]:
                self.read_id = token = entry_id.decode()
                try:
                    operations = decode_mailbox(fields[1])
                except CodecError as error:
                    log.error(
                        "interface=%s mailbox entry %s is garbage, skipped: %s", standing.id, token, error
                    )
                    continue
                try:
                    standing.receiver.mailbox(operations, token)
                except Exception as error:
                    # How much of it was done nobody knows; the entries behind it are none the worse. A plain `except`,
                    # here and in `wire`: it costs nothing until something is raised, and an entry may be one message.
                    tell_fault(f"interface={standing.id}", "handle a mailbox entry", error)
        self._read()

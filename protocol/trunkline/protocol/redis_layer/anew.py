"""Channels that began anew (``serve.lua``): which of the notices that Redis gives call for something. Pure."""

from __future__ import annotations

from typing import NamedTuple

from ..names import ChannelName

StreamId = tuple[int, int]


def stream_id(value: str) -> StreamId:
    """An id of a stream entry, so that ids can be compared."""
    milliseconds, _, number = value.partition("-")
    return int(milliseconds), int(number or 0)


class Beginning(NamedTuple):
    """A channel that began anew.

    Attributes:
        channel: whose entries are gone.
        up_to: the last batch of this interface server that was published before.
        read_id: of the last entry in its mailbox then: what was released before is known only to who has read that far.
    """

    channel: ChannelName
    up_to: int
    read_id: StreamId


def parse(notice: str) -> list[Beginning]:
    """Reads what ``renew.lua`` tells."""
    words = notice.split()
    return [
        Beginning(ChannelName(channel), int(up_to), stream_id(last_id))
        for channel, up_to, last_id in zip(words[::3], words[1::3], words[2::3], strict=True)
    ]


class Beginnings:
    """Remembers which it has acted on: Redis gives a notice with every renewal."""

    __slots__ = ("_known", "_notice")

    def __init__(self) -> None:
        self._notice = b""
        self._known: set[Beginning] = set()

    def due(self, notice: bytes | None, answered: int, read_id: str) -> list[Beginning]:
        """What has to be published again now. Once each.

        Args:
            notice: as Redis gives it.
            answered: number of the last batch whose answer was read: what was refused is known up to there.
            read_id: of the last mailbox entry that was handled.
        """
        if not notice or notice == self._notice:
            return []
        told = parse(notice.decode())
        read = stream_id(read_id)
        due = [
            one for one in told if one not in self._known and one.up_to <= answered and one.read_id <= read
        ]
        self._known = {one for one in told if one in self._known or one in due}
        if len(self._known) == len(told):
            self._notice = notice
        return due

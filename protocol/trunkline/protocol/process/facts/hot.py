"""Hot groups: what the mailboxes are full of, told from the mailboxes' last entries. Pure.

Nothing is counted for it in the hot path: a mailbox holds what was posted within about the last second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ...errors import CodecError
from ...operations import GROUP_SEND, decode_mailbox


@dataclass(frozen=True)
class HotGroup:
    """The group that is sent most.

    Attributes:
        group: its name.
        sends: how many of the operations looked at were for it.
        share: part of all operations looked at, 0 to 1.
    """

    group: str
    sends: int
    share: float

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def hottest(entries: Iterable[bytes]) -> HotGroup | None:
    """The group that most of the operations in some mailbox entries are for; None if none is for a group."""
    sends: Counter[str] = Counter()
    operations = 0
    for raw in entries:
        try:
            found = decode_mailbox(raw)
        except CodecError:
            continue  # of another version, or garbage; its interface server complains of it
        operations += len(found)
        sends.update(operation[1] for operation in found if operation[0] == GROUP_SEND)
    if not sends:
        return None
    ((group, count),) = sends.most_common(1)
    return HotGroup(group, count, count / operations)

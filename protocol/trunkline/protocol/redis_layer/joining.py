"""The groups that an interface server enters by itself, each asked for until Redis has answered.

A member that joins by a commit is written into the group by that very commit, on its shard. On the others its interface
server does that, with ``restore.lua``: the same that writes groups again after a loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..names import GroupName, Keys
from .link import Link
from .scripts import SCRIPTS
from .standing import Standing

JOIN_CHUNK = 500
"""Groups in one call."""


class _Join(NamedTuple):
    token: str
    done: Callable[[], None]


class Joining:
    """What is asked for and has no answer.

    Args:
        keys: of the shard.
        link: for calls.
        standing: of the interface.

    Attributes:
        used: whether anything was ever asked for.
    """

    __slots__ = ("_asked", "_keys", "_link", "_standing", "used")

    def __init__(self, keys: Keys, link: Link, standing: Standing) -> None:
        self._keys = keys
        self._link = link
        self._standing = standing
        self._asked: dict[GroupName, _Join] = {}
        self.used = False

    def join(self, group: GroupName, token: str, done: Callable[[], None]) -> None:
        """See `layer.InterfaceLayer.join_group`."""
        self.used = True
        self._asked[group] = _Join(token, done)
        if self._standing.live:
            self._send([(group, token)])

    def forget(self, group: GroupName) -> None:
        """It is left again: nobody waits for it any more."""
        self._asked.pop(group, None)

    def send_again(self) -> None:
        """Asks for what has no answer. Joining twice changes nothing."""
        waiting = [(group, join.token) for group, join in self._asked.items()]
        for start in range(0, len(waiting), JOIN_CHUNK):
            self._send(waiting[start : start + JOIN_CHUNK])

    def _send(self, joins: Sequence[tuple[GroupName, str]]) -> None:
        me = self._standing.id
        args: list[str | bytes | int] = [self._keys.base, me, "", 0]
        for group, token in joins:
            args += (group, token)
        # Whatever else is answered, an error too, is as none: it is asked again at the next renewal.
        self._link.call(
            SCRIPTS["restore"].call([self._keys.registry(me)], args),
            lambda answer: self._joined(joins) if answer == 1 else None,
        )

    def _joined(self, joins: Sequence[tuple[GroupName, str]]) -> None:
        for group, token in joins:
            join = self._asked.get(group)
            if join is not None and join.token == token:
                del self._asked[group]
                join.done()

"""Local members of groups: the second of the two levels. Pure.

Redis knows which interfaces have members; who they are is known here only. Every group remembers the token (mailbox
entry) of its newest add, with which an interface that lost its last member takes itself out of the group, unless
another add is on its way. All adds of one mailbox entry have the same token, so within an entry a group is left last of
all, when nobody has joined it behind.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from trunkline.protocol.names import GroupName

M = TypeVar("M")


class Groups(Generic[M]):
    """Which members are in which groups, both ways round.

    Args:
        limit: groups a member may be in; 0 for any number.

    Attributes:
        entry: token of the mailbox entry at hand once it has added somebody, until `settle`; else None.
    """

    __slots__ = ("_emptied", "_groups_of", "_limit", "_members", "_tokens", "entry")

    def __init__(self, limit: int = 0) -> None:
        self.entry: str | None = None
        self._limit = limit
        self._emptied: list[GroupName] = []  # with the token of the entry at hand
        # A dict as an ordered set: a group's members hear in the order in which they joined.
        self._members: dict[GroupName, dict[M, None]] = {}
        self._groups_of: dict[M, set[GroupName]] = {}
        self._tokens: dict[GroupName, str] = {}

    def add(self, group: GroupName, member: M, token: str) -> bool:
        """Adds a member; adding it again only renews the token.

        Returns:
            Whether it is in the group; if it is in as many as it may be, the add was in vain.
        """
        joined = self._groups_of.setdefault(member, set())
        if len(joined) >= self._limit > 0 and group not in joined:
            self.vain(group, token)
            return False
        joined.add(group)
        members = self._members.get(group)
        if members is None:
            members = self._members[group] = {}
        members[member] = None
        self._tokens[group] = token
        return True

    def vain(self, group: GroupName, token: str) -> None:
        """Notes an add, of the entry at hand, for somebody who is gone or may not join. If nobody is in the group when
        the entry is done, it must be left again."""
        if group in self._members:
            self._tokens[group] = token
        else:
            self._emptied.append(group)

    def discard(self, group: GroupName, member: M) -> str | None:
        """Takes a member out of a group.

        Returns:
            The token with which the group must be left now, None if it has other members, or if this was no member.
        """
        groups = self._groups_of.get(member)
        if groups is None or group not in groups:
            return None
        groups.remove(group)
        if not groups:
            del self._groups_of[member]
        return self._remove(group, member)

    def drop(self, member: M) -> list[tuple[GroupName, str]]:
        """Takes a member out of all its groups; gives those that must be left now with their tokens."""
        left = ((group, self._remove(group, member)) for group in self._groups_of.pop(member, ()))
        return [(group, token) for group, token in left if token is not None]

    def _remove(self, group: GroupName, member: M) -> str | None:
        members = self._members[group]
        del members[member]
        if members:
            return None
        del self._members[group]
        token = self._tokens.pop(group)
        return token if self._left_now(group, token) else None

    def _left_now(self, group: GroupName, token: str) -> bool:
        """Whether a group without members is to be left now, and not when the entry at hand is done."""
        if token != self.entry:
            return True
        self._emptied.append(group)
        return False

    def settle(self) -> list[tuple[GroupName, str]]:
        """The mailbox entry at hand is done; gives the groups that must be left now with their tokens."""
        token, self.entry = self.entry, None
        if token is None or not self._emptied:
            return []
        emptied, self._emptied = dict.fromkeys(self._emptied), []
        return [(group, token) for group in emptied if group not in self._members]

    def members(self, group: GroupName) -> Iterable[M]:
        """The members in the order in which they joined; a copy, because sending may end connections."""
        members = self._members.get(group)
        return tuple(members) if members else ()

    def tokens(self) -> dict[GroupName, str]:
        """Each group that has members here with the token of its newest add."""
        return dict(self._tokens)

    @property
    def largest(self) -> int:
        """How many members the group has that has most of them; looks at every group."""
        return max(map(len, self._members.values()), default=0)

    def __len__(self) -> int:
        return len(self._members)

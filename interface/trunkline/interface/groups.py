"""Local members of groups: the second of the two levels. Pure.

Redis knows which interfaces have members; who they are is known here only. Every group remembers the token (mailbox
entry) of its newest add, with which an interface that lost its last member takes itself out of the group, unless
another add is on its way. All adds of one mailbox entry have the same token, so within an entry a group is left last of
all, when nobody has joined it behind.

A group that has members here is known on every shard (see `joins`), and has a token of its own on each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from trunkline.protocol.names import GroupName

M = TypeVar("M")


class Leave(NamedTuple):
    """A group that has no member here any more, and so must be left on a shard.

    Attributes:
        group: which.
        shard: where.
        token: of the newest add, or join, that is known there.
    """

    group: GroupName
    shard: int
    token: str


class Groups(Generic[M]):
    """Which members are in which groups, both ways round.

    Args:
        limit: groups a member may be in; 0 for any number.
        shards: how many there are.

    Attributes:
        entry: token of the mailbox entry at hand once it has added somebody, until `settle`; else None.
        shard: whose mailbox that is.
    """

    __slots__ = ("_emptied", "_groups_of", "_limit", "_members", "_shards", "_tokens", "entry", "shard")

    def __init__(self, limit: int = 0, shards: int = 1) -> None:
        self.entry: str | None = None
        self.shard = 0
        self._limit = limit
        self._shards = shards
        # Groups to be left when the entry at hand is done, with their tokens.
        self._emptied: dict[GroupName, list[str]] = {}
        # A dict as an ordered set: a group's members hear in the order in which they joined.
        self._members: dict[GroupName, dict[M, None]] = {}
        self._groups_of: dict[M, set[GroupName]] = {}
        self._tokens: dict[GroupName, list[str]] = {}  # one a shard, empty while there is none

    def add(self, group: GroupName, member: M, token: str, shard: int = 0) -> bool:
        """Adds a member; adding it again only renews the token.

        Returns:
            Whether it is in the group; if it is in as many as it may be, the add was in vain.
        """
        joined = self._groups_of.setdefault(member, set())
        if len(joined) >= self._limit > 0 and group not in joined:
            self.vain(group, token, shard)
            return False
        joined.add(group)
        members = self._members.get(group)
        if members is None:
            members = self._members[group] = {}
            # Where it was to be left behind this entry it is known still.
            self._tokens[group] = self._emptied.pop(group, [""] * self._shards)
        members[member] = None
        self._tokens[group][shard] = token
        return True

    def unknown_on(self, group: GroupName) -> Sequence[int]:
        """The shards that know nothing of this group, which has members here."""
        return [shard for shard, token in enumerate(self._tokens[group]) if not token]

    def enter(self, group: GroupName, shard: int, token: str) -> None:
        """Notes that a shard is told of this group, which has members here, under a token of our own."""
        self._tokens[group][shard] = token

    def vain(self, group: GroupName, token: str, shard: int = 0) -> None:
        """Notes an add, of the entry at hand, for somebody who is gone or may not join. If nobody is in the group when
        the entry is done, it must be left again."""
        tokens = self._tokens.get(group)
        if tokens is None:
            tokens = self._emptied.setdefault(group, [""] * self._shards)
        tokens[shard] = token

    def discard(self, group: GroupName, member: M) -> list[Leave]:
        """Takes a member out of a group.

        Returns:
            What must be left now: nothing if it has other members, or if this was no member.
        """
        groups = self._groups_of.get(member)
        if groups is None or group not in groups:
            return []
        groups.remove(group)
        if not groups:
            del self._groups_of[member]
        return self._remove(group, member)

    def drop(self, member: M) -> list[Leave]:
        """Takes a member out of all its groups; gives what must be left now."""
        groups = self._groups_of.pop(member, ())
        return [leave for group in groups for leave in self._remove(group, member)]

    def _remove(self, group: GroupName, member: M) -> list[Leave]:
        members = self._members[group]
        del members[member]
        if members:
            return []
        del self._members[group]
        tokens = self._tokens.pop(group)
        if self.entry is None or tokens[self.shard] != self.entry:
            return _leaves(group, tokens)
        self._emptied[group] = tokens  # it is left when the entry at hand is done, if nobody joins it behind
        return []

    def settle(self) -> list[Leave]:
        """The mailbox entry at hand is done; gives what must be left now."""
        self.entry = None
        emptied, self._emptied = self._emptied, {}
        return [leave for group, tokens in emptied.items() for leave in _leaves(group, tokens)]

    def members(self, group: GroupName) -> Iterable[M]:
        """The members in the order in which they joined; a copy, because sending may end connections."""
        members = self._members.get(group)
        return tuple(members) if members else ()

    def tokens(self, shard: int = 0) -> dict[GroupName, str]:
        """Each group that has members here with the token of its newest add, or join, on a shard."""
        return {group: tokens[shard] for group, tokens in self._tokens.items() if tokens[shard]}

    @property
    def largest(self) -> int:
        """How many members the group has that has most of them; looks at every group."""
        return max(map(len, self._members.values()), default=0)

    def __len__(self) -> int:
        return len(self._members)


def _leaves(group: GroupName, tokens: Sequence[str]) -> list[Leave]:
    return [Leave(group, shard, token) for shard, token in enumerate(tokens) if token]

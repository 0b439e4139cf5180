"""The groups of the bus: which interface servers have members. The members are the interfaces' own affair."""

from __future__ import annotations

from ..names import GroupName, InterfaceId


class Groups:
    """Group to its interfaces, each with the token of its last add, and back."""

    __slots__ = ("_groups_of", "_tokens")

    def __init__(self) -> None:
        self._tokens: dict[GroupName, dict[InterfaceId, str]] = {}
        self._groups_of: dict[InterfaceId, set[GroupName]] = {}

    def add(self, group: GroupName, interface: InterfaceId, token: str) -> None:
        """The interface has a member, or one more; ``token`` is the mailbox entry that tells it so."""
        self._tokens.setdefault(group, {})[interface] = token
        self._groups_of.setdefault(interface, set()).add(group)

    def join(self, group: GroupName, interface: InterfaceId, token: str) -> None:
        """The interface enters by itself; an add, which is newer, keeps its token."""
        if interface not in self._tokens.get(group, ()):
            self.add(group, interface, token)

    def interfaces(self, group: GroupName) -> list[InterfaceId]:
        """Who has members, in the order in which they came."""
        return list(self._tokens.get(group, ()))

    def leave(self, group: GroupName, interface: InterfaceId, token: str) -> bool:
        """Takes the interface out if ``token`` is that of its last add; whether it was taken out."""
        if self._tokens.get(group, {}).get(interface) != token:
            return False
        self._take_out(group, interface)
        self._groups_of[interface].discard(group)
        if not self._groups_of[interface]:
            del self._groups_of[interface]
        return True

    def forget(self, interface: InterfaceId) -> None:
        """Takes a gone interface out of every group."""
        for group in self._groups_of.pop(interface, ()):
            self._take_out(group, interface)

    def _take_out(self, group: GroupName, interface: InterfaceId) -> None:
        del self._tokens[group][interface]
        if not self._tokens[group]:
            del self._tokens[group]

"""The channel sessions of the bus."""

from __future__ import annotations

from ..names import ConnectionId

ORPHAN_TTL_S = 86_400.0
"""Life of a session whose connection is not registered: nobody will come and delete it. As in Redis."""


class Sessions:
    """Encoded sessions by connection. Those of registered connections stay, the others (*orphans*) expire."""

    __slots__ = ("_expires_s", "_values")

    def __init__(self) -> None:
        self._values: dict[ConnectionId, bytes] = {}
        # Orphans only, soonest first: each is entered at the end, and all live equally long.
        self._expires_s: dict[ConnectionId, float] = {}

    def __len__(self) -> int:
        return len(self._values)

    def read(self, connection: ConnectionId, now_s: float) -> bytes:
        """The session, empty if there is none."""
        self._expire(now_s)
        return self._values.get(connection, b"")

    def write(self, connection: ConnectionId, value: bytes, registered: bool, now_s: float) -> None:
        """Stores a session; an empty one deletes it."""
        self._expire(now_s)
        if not value:
            self.forget(connection)
            return
        self._values[connection] = value
        if registered:
            self.keep(connection)
        else:
            self.orphan(connection, now_s)

    def keep(self, connection: ConnectionId) -> None:
        """The connection is registered: its session stays until it is forgotten."""
        self._expires_s.pop(connection, None)

    def orphan(self, connection: ConnectionId, now_s: float) -> None:
        """The connection is registered no more: its session, if there is one, expires."""
        if connection in self._values:
            self._expires_s.pop(connection, None)
            self._expires_s[connection] = now_s + ORPHAN_TTL_S

    def forget(self, connection: ConnectionId) -> None:
        """Deletes the session, if there is one."""
        self._values.pop(connection, None)
        self._expires_s.pop(connection, None)

    def _expire(self, now_s: float) -> None:
        while self._expires_s:
            connection, expires_s = next(iter(self._expires_s.items()))
            if expires_s > now_s:
                return
            self.forget(connection)

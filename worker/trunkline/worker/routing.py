"""Routing: which handler gets a message. Users import `route`, `route_class` and `include` from here.

Layers of it, each a module: `declarations` notes what was written, `routing_load` resolves and checks all of it at
start (with `dotted`, `handlers` and `routing_check`), `match` is one resolved route, `Routing` is the table of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from trunkline.protocol.names import INTERFACE_CHANNELS, SOCKET_CHANNELS, ChannelName

from .declarations import Routes, include, route, route_class
from .error_policy import CLOSE, DEAD, ErrorPolicy, Retry
from .events import Fields, contents
from .match import Match, Plan, Route
from .routing_load import load_routes

__all__ = [
    "CLOSE",
    "DEAD",
    "ErrorPolicy",
    "Match",
    "Retry",
    "Route",
    "Routing",
    "include",
    "route",
    "route_class",
]

MAX_CACHED_PATHS: Final = 4096
"""Paths remembered for a channel. At the bound all are forgotten: the busy ones are back within a moment."""
MAX_CACHED_PATH_LENGTH: Final = 256
"""Paths come from outside; with the bound above this keeps the cache of a channel at about 5 MB at most."""

_SOCKET_CHANNELS: Final = frozenset(SOCKET_CHANNELS)
_OF_INTERFACES: Final = frozenset(INTERFACE_CHANNELS)


class Routing:
    """A table of routes.

    Args:
        routes: resolved, in their order.
        code_version: of the application they belong to, for dead letters; empty if nobody knows.
    """

    __slots__ = ("_plans", "_tables", "channels", "code_version", "routes")

    def __init__(self, routes: Iterable[Route], code_version: str = "") -> None:
        self.routes = tuple(routes)
        self.code_version = code_version
        tables: dict[str, list[Route]] = {}
        for entry in self.routes:
            tables.setdefault(entry.channel, []).append(entry)
        self._tables = {channel: tuple(table) for channel, table in tables.items()}
        # For one event with a path, of connections' channels in which the path alone decides; no other filter is ever
        # remembered.
        self._plans: dict[str, dict[str | None, Plan]] = {
            channel: {}
            for channel, table in tables.items()
            if channel in _OF_INTERFACES and all(entry.only_path for entry in table)
        }
        named = {entry.channel for entry in self.routes}
        self.channels: frozenset[ChannelName] = frozenset(
            named | _SOCKET_CHANNELS if named & _SOCKET_CHANNELS else named
        )
        """The channels to read: those with a route, and all of a WebSocket's if one of these has a route."""

    @classmethod
    def load(cls, source: str | Routes, code_version: str = "") -> Routing:
        """Resolves a routing: imports handlers, compiles expressions, checks everything.

        Args:
            source: a module with a ``channel_routing`` list, the dotted path of such a list, or the list itself.
            code_version: see the class.

        Raises:
            RoutingError: with every mistake, one a line, each with file, line and hint.
        """
        return cls(load_routes(source), code_version)

    def match(self, channel: str, content: Mapping[str, Any]) -> Match | None:
        """Finds the first route that matches a message.

        Args:
            channel: the message came on.
            content: the message's content.

        Returns:
            The route and the keyword arguments for its handler, or None.
        """
        for entry in self._tables.get(channel, ()):
            kwargs = entry.match(content)
            if kwargs is not None:
                return Match.of(entry, kwargs)
        return None

    def plan(self, channel: str, fields: Fields) -> Plan:
        """Finds what is done with each event of an entry. All events of a connection share its path: where nothing else
        decides, they share a match, and it is remembered."""
        plans = self._plans.get(channel)
        if plans is None:
            return self._plan_each(channel, fields)
        _, path, _, events = fields
        plan = plans.get(path) or self._remember(plans, channel, path)
        return plan if len(events) == 1 else plan.times(len(events))

    def _plan_each(self, channel: str, fields: Fields) -> Plan:
        return Plan.of([self.match(channel, content) for content in contents(channel, fields)])

    def _remember(self, plans: dict[str | None, Plan], channel: str, path: str | None) -> Plan:
        plan = Plan.of([self.match(channel, {"path": path})])
        if path is None or len(path) <= MAX_CACHED_PATH_LENGTH:
            if len(plans) >= MAX_CACHED_PATHS:
                plans.clear()
            plans[path] = plan
        return plan

    def could_match(self, path: str) -> bool:
        """Whether any route of a WebSocket channel could match a connection with this path."""
        return any(
            entry.could_match_path(path)
            for channel in SOCKET_CHANNELS
            for entry in self._tables.get(channel, ())
        )

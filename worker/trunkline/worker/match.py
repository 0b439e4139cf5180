"""A resolved route, and whether a message matches it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from trunkline.protocol.names import ChannelName

from .declarations import Place
from .error_policy import ErrorPolicy
from .handlers import Call


class Step(NamedTuple):
    """One filter on the way to a handler.

    Attributes:
        key: of the message.
        pattern: what its value must match from the beginning.
        cuts: it is a filter of an `include`: what it matches is cut off for the steps behind it.
    """

    key: str
    pattern: re.Pattern[str]
    cuts: bool


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One channel, one handler, and everything that was found out about it at start. Two are never the same.

    Attributes:
        channel: the channel.
        handler: what to call with the message and the captured names.
        name: dotted name of the handler, for logs and metrics.
        is_async: calling it gives a coroutine.
        wants_session: it asked for a channel session.
        on_error: what happens when it raises.
        ordered: one that failed is tried again in its turn; else it is set aside, and what follows it goes on.
        steps: the filters of the includes around it, outermost first, and then its own.
        place: where it was written.
    """

    channel: ChannelName
    handler: Call
    name: str
    is_async: bool
    wants_session: bool
    on_error: ErrorPolicy
    ordered: bool
    steps: tuple[Step, ...]
    place: Place

    @property
    def only_path(self) -> bool:
        """Whether nothing but the path decides if it matches."""
        return all(step.key == "path" for step in self.steps)

    def match(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        """The keyword arguments for the handler if the content matches, else None. An inner group wins."""
        return _walk(self.steps, content)

    def could_match_path(self, path: str) -> bool:
        """Whether a message with this path could match, whatever its other keys are."""
        return _walk(tuple(step for step in self.steps if step.key == "path"), {"path": path}) is not None


@dataclass(frozen=True, slots=True)
class Match:
    """A route and what it captured. May be handed out again: change nothing.

    Attributes:
        route: it.
        kwargs: what its handler gets besides the message.
        call: the handler with these, to be called with the message alone.
    """

    route: Route
    kwargs: dict[str, Any]
    call: Callable[[Any], Any]

    @classmethod
    def of(cls, route: Route, kwargs: dict[str, Any]) -> Match:
        """The match of a route that has captured ``kwargs``."""
        return cls(route, kwargs, partial(route.handler, **kwargs) if kwargs else route.handler)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done with the events of an entry. May be handed out again: change nothing.

    Attributes:
        matches: for each event its match, None where no route takes it.
        asynchronous: one of the handlers is an `async def`.
        wants_session: one of them asks for the channel session.
    """

    matches: list[Match | None]
    asynchronous: bool
    wants_session: bool

    @classmethod
    def of(cls, matches: list[Match | None]) -> Plan:
        """The plan for events with these matches."""
        routes = [match.route for match in matches if match is not None]
        return cls(
            matches, any(route.is_async for route in routes), any(route.wants_session for route in routes)
        )

    def times(self, count: int) -> Plan:
        """The plan for so many events like the one of this plan."""
        return Plan(self.matches * count, self.asynchronous, self.wants_session)


def _walk(steps: tuple[Step, ...], content: Mapping[str, Any]) -> dict[str, Any] | None:
    kwargs: dict[str, Any] = {}
    rest: dict[str, str] = {}
    for key, pattern, cuts in steps:
        value = rest[key] if key in rest else as_text(content.get(key))
        if value is None:
            return None
        found = pattern.match(value)
        if found is None:
            return None
        kwargs.update(found.groupdict())
        if cuts:
            rest[key] = value[found.end() :]
    return kwargs


def as_text(value: object) -> str | None:
    """What a filter looks at: text as it is, bytes as UTF-8, numbers in decimal; None for what no filter can match."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return None

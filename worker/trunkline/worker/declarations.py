"""What a routing module says: `route`, `route_class` and `include`. Nothing is resolved or checked here.

A declaration only notes what was written and where, so that `Routing.load` can report every mistake at once with its
file and line instead of stopping at the first import.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .error_policy import Retry


class Place(NamedTuple):
    """Where something was written."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class RouteDeclaration:
    """``route(channel, handler, **filters)``, unchecked."""

    place: Place
    channels: Any
    handler: Any
    filters: dict[str, Any]
    on_error: Any
    ordered: Any = True


@dataclass(frozen=True, slots=True)
class ClassDeclaration:
    """``route_class(consumer, **filters)``, unchecked."""

    place: Place
    consumer: Any
    filters: dict[str, Any]
    on_error: Any
    ordered: Any = True


@dataclass(frozen=True, slots=True)
class IncludeDeclaration:
    """``include(routes, **filters)``, unchecked."""

    place: Place
    routes: Any
    filters: dict[str, Any]


Declaration = RouteDeclaration | ClassDeclaration | IncludeDeclaration
Routes = Sequence[Declaration]
"""What ``channel_routing`` is."""


def route(
    channel: str | Sequence[str],
    handler: Any,
    *,
    on_error: str | Retry = "dead",
    ordered: bool = True,
    **filters: Any,
) -> RouteDeclaration:
    """Sends the messages of a channel to a handler. The first route that matches wins.

    Args:
        channel: its name, or several.
        handler: a function or the dotted path of one. It is called with the message, and with the named groups of
            the filters as keyword arguments.
        on_error: what happens when it raises or takes too long: ``"dead"``, ``"close"`` or ``Retry(times, backoff_s)``.
        ordered: whether the later messages of a connection wait while one that failed waits to be tried again. With
            False they go on: the failed one is set aside in Redis, outlives its worker, and comes back when it is due
            with ``order`` -1; what its handler sends then is sent as from any other handler, what it does to the
            session replaces what others did meanwhile, and the connection may be gone. Only for ``websocket.receive``;
            messages of background channels, which have no order to keep, are always treated so.
        filters: for a key of the message, the regular expression its value must match (from its beginning, as
            `re.match` does).
    """
    return RouteDeclaration(_caller(), channel, handler, filters, on_error, ordered)


def route_class(
    consumer: Any, *, on_error: str | Retry = "dead", ordered: bool = True, **filters: Any
) -> ClassDeclaration:
    """Sends the messages of all channels of a consumer class to it.

    Args:
        consumer: a subclass of `trunkline.worker.generic.websockets.BaseConsumer`, or the dotted path of one.
        on_error: as for `route`.
        ordered: as for `route`; counts for those of its channels that can be without order.
        filters: as for `route`.
    """
    return ClassDeclaration(_caller(), consumer, filters, on_error, ordered)


def include(routes: Any, **filters: Any) -> IncludeDeclaration:
    """Puts the routes of another module here.

    Args:
        routes: dotted path of a module with ``channel_routing``, dotted path of such a list, or a list of routes.
        filters: regular expressions that must match first. What they match is cut off before the included routes look
            at the value, so that ``path=r"^/chat"`` is a prefix. Their named groups become keyword arguments as well.
    """
    return IncludeDeclaration(_caller(), routes, filters)


def place_of_caller(depth: int) -> Place:
    """Where the caller's caller, ``depth`` more frames up, is in its source."""
    frame = sys._getframe(depth + 2)
    return Place(frame.f_code.co_filename, frame.f_lineno)


def _caller() -> Place:
    return place_of_caller(1)

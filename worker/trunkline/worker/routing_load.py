"""Loading a routing at start: everything is resolved, every mistake is collected, and all are reported at once."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

from trunkline.protocol.errors import RoutingError
from trunkline.protocol.names import ChannelName

from .declarations import ClassDeclaration, Declaration, IncludeDeclaration, RouteDeclaration, Routes
from .dotted import DottedPathError, resolve
from .error_policy import DEAD, ErrorPolicy
from .generic.base import BaseConsumer
from .handlers import Handler, describe, misfit
from .match import Route, Step
from .routing_check import (
    KNOWN_KEYS,
    Duplicates,
    Mistake,
    Unfit,
    check_channel,
    check_ordered,
    check_pattern,
    check_policy,
    unknown_key,
    unordered_misfit,
)
from .routing_source import ROUTING_NAME, cut, declarations_of, shown


class _Filters(NamedTuple):
    """What a route looks at, those of the includes around it first.

    Attributes:
        steps: the filters that could be read.
        complete: whether that is all of them. What a filter with a mistake would have captured or matched, nobody
            knows, and what follows from it is no further mistake.
    """

    steps: tuple[Step, ...] = ()
    complete: bool = True

    def captured(self) -> set[str]:
        """Names of the groups, which become keyword arguments of the handler."""
        return {name for step in self.steps for name in step.pattern.groupindex}


def load_routes(source: str | Routes) -> list[Route]:
    """Resolves and checks a routing.

    Args:
        source: see `Routing.load`.

    Raises:
        RoutingError: with every mistake, one a line.
    """
    loader = _Loader()
    loader.source(source, _Filters(), None)
    if not loader.routes and not loader.mistakes:
        loader.mistakes.append(
            Mistake(shown(source), "the routing has no routes", f"add some to {ROUTING_NAME}")
        )
    if loader.mistakes:
        count = len(loader.mistakes)
        title = f"{count} mistake{'s' if count > 1 else ''} in the routing {shown(source)}"
        raise RoutingError("\n".join((title, *map(str, loader.mistakes))))
    return loader.routes


class _Loader:
    """Walks declarations. A mistake is noted, and the walk goes on with whatever can still be checked."""

    def __init__(self) -> None:
        self.routes: list[Route] = []
        self.mistakes: list[Mistake] = []
        self._duplicates = Duplicates()
        self._open: list[int] = []  # the lists that are being walked, by identity

    def source(self, source: Any, outer: _Filters, parent: IncludeDeclaration | None) -> None:
        place = shown(source) if parent is None else parent.place
        try:
            declarations = declarations_of(source)
        except (DottedPathError, Unfit) as error:
            self.mistakes.append(Mistake(place, str(error), error.hint))
            return
        if id(declarations) in self._open:
            self.mistakes.append(Mistake(place, f"include of {shown(source)} includes itself"))
            return
        self._open.append(id(declarations))
        for index, declaration in enumerate(declarations):
            self._declaration(declaration, index, outer, place)
        self._open.pop()

    def _declaration(self, declaration: Any, index: int, outer: _Filters, place: Any) -> None:
        if isinstance(declaration, RouteDeclaration):
            self._route(declaration, outer)
        elif isinstance(declaration, ClassDeclaration):
            self._route_class(declaration, outer)
        elif isinstance(declaration, IncludeDeclaration):
            self.source(declaration.routes, self._filters(declaration, outer, cuts=True), declaration)
        else:
            text = f"item {index} of the routing is {cut(declaration)}, a {type(declaration).__name__}"
            self.mistakes.append(Mistake(place, text, "expected route(…), route_class(…) or include(…)"))

    def _route(self, declaration: RouteDeclaration, outer: _Filters) -> None:
        filters = self._filters(declaration, outer)
        policy = self._policy(declaration)
        channels = self._channels(declaration)
        call = self._resolved(declaration, declaration.handler)
        if call is None:
            return
        for channel in channels:
            if inspect.isclass(call) and issubclass(call, BaseConsumer):
                self._consumer(declaration, call, channel, filters, policy)
            elif not callable(call):
                text = f"handler {cut(call)} is a {type(call).__name__} and cannot be called"
                self._note(declaration, text, "expected a function")
                return
            else:
                reason = misfit(call, filters.captured()) if filters.complete else None
                self._add(declaration, channel, describe(call), reason, filters, policy)

    def _route_class(self, declaration: ClassDeclaration, outer: _Filters) -> None:
        filters = self._filters(declaration, outer)
        policy = self._policy(declaration)
        consumer = self._resolved(declaration, declaration.consumer)
        if consumer is None:
            return
        if not (inspect.isclass(consumer) and issubclass(consumer, BaseConsumer)):
            self._note(
                declaration,
                f"{cut(consumer)} is no consumer class",
                "derive it from BaseConsumer, or use route()",
            )
            return
        for name in sorted(consumer.channel_names()):
            try:
                channel = check_channel(name)
            except Unfit as error:
                self._note(declaration, f"method_mapping of {consumer.__qualname__}: {error}", error.hint)
                continue
            self._consumer(declaration, consumer, channel, filters, policy)

    def _consumer(
        self,
        declaration: RouteDeclaration | ClassDeclaration,
        consumer: type[BaseConsumer],
        channel: ChannelName,
        filters: _Filters,
        policy: ErrorPolicy,
    ) -> None:
        if channel not in consumer.method_mapping:
            known = ", ".join(sorted(consumer.channel_names())) or "none"
            self._note(
                declaration,
                f"{consumer.__qualname__} does not handle {channel!r}",
                f"its channels are: {known}",
            )
            return
        reason = consumer.misfit(channel, filters.captured()) if filters.complete else None
        self._add(declaration, channel, consumer.as_handler(channel), reason, filters, policy)

    def _add(
        self,
        declaration: RouteDeclaration | ClassDeclaration,
        channel: ChannelName,
        handler: Handler,
        reason: str | None,
        filters: _Filters,
        policy: ErrorPolicy,
    ) -> None:
        if reason is not None:
            self._note(declaration, f"handler {handler.name} {reason}")
        for key in dict.fromkeys(step.key for step in filters.steps):
            unknown = unknown_key(channel, key)
            if unknown is not None:
                self._note(declaration, str(unknown), unknown.hint)
        ordered = self._ordered(declaration, channel)
        route = Route(channel, *handler, policy, ordered, filters.steps, declaration.place)
        first = self._duplicates.earlier(route) if filters.complete else None
        if first is not None:
            text = f"this route for {channel} can never match: {first.place} has the same filters and comes first"
            self._note(declaration, text, "remove one, or change its filters")
        self.routes.append(route)

    def _channels(self, declaration: RouteDeclaration) -> list[ChannelName]:
        given = declaration.channels
        channels = []
        for name in given if isinstance(given, (list, tuple, set, frozenset)) else [given]:
            try:
                channels.append(check_channel(name))
            except Unfit as error:
                self._note(declaration, str(error), error.hint)
        return channels

    def _filters(self, declaration: Declaration, outer: _Filters, cuts: bool = False) -> _Filters:
        steps = [*outer.steps]
        complete = outer.complete
        for key, value in declaration.filters.items():
            try:
                steps.append(Step(key, check_pattern(key, value), cuts))
            except Unfit as error:
                self._note(declaration, str(error), error.hint)
                complete = False
        return _Filters(tuple(steps), complete)

    def _ordered(self, declaration: RouteDeclaration | ClassDeclaration, channel: ChannelName) -> bool:
        if declaration.ordered is not False:
            return channel in KNOWN_KEYS  # there is no order on background channels
        unfit = unordered_misfit(channel)
        if unfit is not None and isinstance(declaration, RouteDeclaration):
            self._note(declaration, str(unfit), unfit.hint)
        return unfit is not None

    def _policy(self, declaration: RouteDeclaration | ClassDeclaration) -> ErrorPolicy:
        try:
            check_ordered(declaration.ordered)
            return check_policy(declaration.on_error)
        except Unfit as error:
            self._note(declaration, str(error), error.hint)
            return DEAD

    def _resolved(self, declaration: Declaration, target: Any) -> Any:
        if not isinstance(target, str):
            if target is None:
                self._note(declaration, "the handler is None", "expected a function or its dotted path")
            return target
        try:
            return resolve(target)
        except DottedPathError as error:
            self._note(declaration, f"handler {target!r}: {error}", error.hint)
            return None

    def _note(self, declaration: Declaration, text: str, hint: str = "") -> None:
        self.mistakes.append(Mistake(declaration.place, text, hint))

"""The base of consumer classes: which method handles which channel."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from ..declarations import ClassDeclaration, place_of_caller
from ..error_policy import Retry
from ..handlers import Handler, describe, misfit
from ..message import Message
from ..sessions import wants_session


class BaseConsumer:
    """A handler as a class. One object is made for every message.

    Args:
        message: the message.
        kwargs: what the route captured.

    Attributes:
        method_mapping: channel to the name of the method that handles it.
        hooks: method of ``method_mapping`` to the method of the author's that it calls in the end.
        channel_session: give every message a channel session.
    """

    method_mapping: ClassVar[Mapping[str, str]] = {}
    hooks: ClassVar[Mapping[str, str]] = {}
    channel_session: ClassVar[bool] = False

    def __init__(self, message: Message, **kwargs: Any) -> None:
        self.message = message
        self.kwargs = kwargs

    @classmethod
    def channel_names(cls) -> set[str]:
        """The channels this class handles."""
        return set(cls.method_mapping)

    @classmethod
    def as_route(
        cls, *, on_error: str | Retry = "dead", ordered: bool = True, **kwargs: Any
    ) -> ClassDeclaration:
        """A route to this class.

        Args:
            on_error: as for `route_class`.
            ordered: as for `route_class`.
            kwargs: those that are attributes of the class are set on a subclass, the others are filters.
        """
        attributes = {name: value for name, value in kwargs.items() if hasattr(cls, name)}
        filters = {name: value for name, value in kwargs.items() if name not in attributes}
        consumer = (
            type(cls.__name__, (cls,), {"__module__": cls.__module__, **attributes}) if attributes else cls
        )
        return ClassDeclaration(place_of_caller(0), consumer, filters, on_error, ordered)

    def get_handler(self, message: Message, **kwargs: Any) -> Any:
        """The method for the message's channel."""
        return getattr(self, self.method_mapping[message.channel.name])

    def dispatch(self, message: Message, **kwargs: Any) -> Any:
        """Calls the method for the message's channel; gives a coroutine if the author's method does."""
        return self.get_handler(message, **kwargs)(message, **kwargs)

    # ---- for the routing ----

    @classmethod
    def as_handler(cls, channel: str) -> Handler:
        """What the routing calls for a channel. The methods are looked up once, here, not for every message."""
        methods = cls._methods(channel)

        def handle(message: Message, **kwargs: Any) -> Any:
            return cls(message, **kwargs).dispatch(message, **kwargs)

        return Handler(
            handle,
            f"{cls.__module__}.{cls.__qualname__}.{cls.method_mapping[channel]}",
            any(describe(method).is_async for method in methods),
            cls.channel_session or any(map(wants_session, methods)),
        )

    @classmethod
    def misfit(cls, channel: str, captured: Collection[str]) -> str | None:
        """Why this class cannot handle a channel with what a route captures, or None."""
        name = cls.method_mapping[channel]
        method = getattr(cls, name, None)
        if not inspect.isfunction(method):
            return f"has no method {name!r}, which its method_mapping names for {channel}"
        for method in cls._methods(channel):
            extra = cls.arguments(method.__name__)
            reason = misfit(method, {*captured, *extra}, 1 if extra else 2)
            if reason is not None:
                return f"({method.__qualname__}) {reason}"
        return None

    @classmethod
    def arguments(cls, method: str) -> Collection[str]:
        """Names of the keyword arguments with which a method is called in the place of the message."""
        return ()

    @classmethod
    def _methods(cls, channel: str) -> list[Any]:
        name = cls.method_mapping[channel]
        names = [name, cls.hooks[name]] if name in cls.hooks else [name]
        return [
            method for method in (getattr(cls, each, None) for each in names) if inspect.isfunction(method)
        ]

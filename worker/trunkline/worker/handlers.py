"""Handlers: what a route calls, and whether it can be called with what the route captures. All pure."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from .sessions import wants_session

Call = Callable[..., Any]


class Handler(NamedTuple):
    """What a route calls.

    Attributes:
        call: with the message and the captured names as keyword arguments; gives a coroutine if ``is_async``.
        name: dotted, for logs and metrics.
        is_async: it must be awaited.
        wants_session: it is to be given a channel session.
    """

    call: Call
    name: str
    is_async: bool
    wants_session: bool


def describe(call: Call) -> Handler:
    """Looks at a function, or at another callable object."""
    return Handler(call, name_of(call), is_async(call), wants_session(_unwrapped(call)))


def _unwrapped(call: Any) -> Any:
    while isinstance(call, functools.partial):
        call = call.func
    return call


def name_of(thing: Any) -> str:
    """The dotted name of a function, class, partial or instance."""
    thing = _unwrapped(thing)
    if not hasattr(thing, "__qualname__"):
        thing = type(thing)
    return f"{thing.__module__}.{thing.__qualname__}"


def is_async(call: Call) -> bool:
    """Whether calling it gives a coroutine: an `async def`, or an object whose ``__call__`` is one."""
    call = _unwrapped(call)
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(type(call).__call__)


def misfit(call: Call, captured: Iterable[str], offset: int = 1) -> str | None:
    """Tells why a handler cannot be called as ``handler(message, **captured)``, or None if it can.

    Args:
        call: the handler.
        captured: names of the groups of its route.
        offset: how many positional arguments there are: the message, or self and the message.
    """
    function = _unwrapped(call)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return "is a generator: it has a 'yield', so calling it would run nothing"
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):  # some callables written in C tell nothing
        return None
    names = sorted(captured)
    try:
        signature.bind(*range(offset), **dict.fromkeys(names))
    except TypeError as error:
        return (
            _explain(signature, names, offset) or f"cannot be called: {error}; its signature is {signature}"
        )
    return None


def _explain(signature: inspect.Signature, names: list[str], offset: int) -> str | None:
    parameters = list(signature.parameters.values())
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    shown = f"its signature is {signature}"
    if len(positional) < offset and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return f"does not take the message as its first argument; {shown}"
    taken = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    taken -= {p.name for p in positional[:offset]}
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        foreign = [name for name in names if name not in taken]
        if foreign:
            return f"does not take what the route captures, {_quoted(foreign)}; {shown}"
    missing = [
        p.name
        for p in (*positional[offset:], *(p for p in parameters if p.kind is p.KEYWORD_ONLY))
        if p.default is p.empty and p.name not in names
    ]
    if missing:
        captures = _quoted(names) if names else "nothing"
        return f"needs {_quoted(missing)}, but the route captures {captures}; {shown}"
    return None


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))

"""Where a routing comes from: a module with a list, the dotted path of such a list, or the list."""

from __future__ import annotations

import inspect
from typing import Any

from .dotted import resolve
from .routing_check import Unfit

ROUTING_NAME = "channel_routing"
"""What a routing module calls its list (Channels 1.x)."""


def declarations_of(source: Any) -> list[Any] | tuple[Any, ...]:
    """The list of routes that is meant: by a module, by the dotted path of one or of a list, or by the list itself.

    Raises:
        DottedPathError: nothing can be found there.
        Unfit: what was found is no such list.
    """
    name = source if isinstance(source, str) else "the list"
    found = resolve(source) if isinstance(source, str) else source
    if inspect.ismodule(found):
        name = f"{source}.{ROUTING_NAME}"
        if not hasattr(found, ROUTING_NAME):
            raise Unfit(f"module {source!r} has no {ROUTING_NAME}", _closest(found))
        found = getattr(found, ROUTING_NAME)
    if isinstance(found, (list, tuple)):
        return found
    raise Unfit(
        f"{name} is a {type(found).__name__}", "expected a list of route(…), route_class(…) and include(…)"
    )


def _closest(module: Any) -> str:
    lists = [
        name for name, value in vars(module).items() if isinstance(value, list) and not name.startswith("_")
    ]
    return f"is it {lists[0]!r}? name it {ROUTING_NAME}" if lists else f"write {ROUTING_NAME} = [route(…), …]"


def shown(source: Any) -> str:
    """How a routing is named to people."""
    return source if isinstance(source, str) else "list"


def cut(value: object) -> str:
    """A value as text, not too long for a line."""
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"

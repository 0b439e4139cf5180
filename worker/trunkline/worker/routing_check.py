"""Checks of single routes at start: channel names, filters, policies, duplicates. Each gives a sentence or None."""

from __future__ import annotations

import difflib
import re
from typing import Any, NamedTuple

from trunkline.protocol.errors import InvalidName
from trunkline.protocol.names import CONNECT, DISCONNECT, RECEIVE, REQUEST, TRIP, ChannelName, channel_name

from .declarations import Place
from .error_policy import DEAD, NAMES, ErrorPolicy, Retry
from .match import Route, Step

_ALWAYS = ("path", "order", "reply_channel")
KNOWN_KEYS: dict[str, tuple[str, ...]] = {
    CONNECT: (*_ALWAYS, "scheme", "query_string", "root_path"),
    RECEIVE: (*_ALWAYS, "text", "bytes"),
    DISCONNECT: (*_ALWAYS, "code", "reason"),
    REQUEST: (*_ALWAYS, "method", "scheme", "query_string", "root_path", "body", "http_version"),
}
"""Keys a filter can look at, by channel. A background channel may have any."""
LIST_KEYS = ("headers", "client", "server", "subprotocols")


_WAITED_FOR = {
    CONNECT: "the client waits for the verdict",
    REQUEST: "the client waits for the answer",
    DISCONNECT: "nothing comes behind it that could go on, and its session goes with it",
}
"""Why a message of these channels is not set aside."""


class Mistake(NamedTuple):
    """One mistake in a routing.

    Attributes:
        place: where the route was written, or the name of the routing if there is no line to blame.
        text: what is wrong.
        hint: what to do, or empty.
    """

    place: Place | str
    text: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" + (f" ({self.hint})" if self.hint else "")


class Unfit(Exception):
    """A check has failed. Caught by the loader, never seen by users."""

    def __init__(self, text: str, hint: str = "") -> None:
        self.hint = hint
        super().__init__(text)


def check_channel(value: object) -> ChannelName:
    """The channel of a route.

    Raises:
        Unfit: it is no channel name, looks like a mistyped one, or is Trunkline's own.
    """
    try:
        name = channel_name(value)
    except InvalidName as error:
        raise Unfit(str(error)) from None
    if name == TRIP:
        raise Unfit(f"channel {name!r} is answered by the worker itself", "choose another name")
    if name.startswith(("websocket.", "http.")) and name not in KNOWN_KEYS:
        near = difflib.get_close_matches(name, KNOWN_KEYS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(KNOWN_KEYS)}"
        raise Unfit(f"channel {name!r}: interface servers send no such messages", hint)
    return name


def check_pattern(key: str, value: object) -> re.Pattern[str]:
    """Compiles a filter.

    Raises:
        Unfit: it is no regular expression; the text names the position.
    """
    if isinstance(value, re.Pattern):
        if isinstance(value.pattern, str):
            return value
        raise Unfit(f"filter {key}={value!r}: expected an expression for str, this is one for bytes")
    if not isinstance(value, str):
        raise Unfit(
            f"filter {key}={value!r}: expected a regular expression as str, not {type(value).__name__}"
        )
    try:
        return re.compile(value)
    except re.error as error:
        position = error.pos or 0
        text = f"filter {key}={value!r} is no regular expression: {error.msg} at position {position}"
        raise Unfit(text, f"here: {value[position : position + 20]!r}") from None


def check_policy(value: object) -> ErrorPolicy:
    """The policy for a handler that raises.

    Raises:
        Unfit: it is none.
    """
    if isinstance(value, Retry):
        if value.after_s is not None:
            raise Unfit(f"on_error={value!r}: after_s is for 'raise Retry(after_s=…)'", "give it backoff_s")
        return DEAD._replace(retry=value)
    if isinstance(value, str) and value in NAMES:
        return NAMES[value]
    raise Unfit(f"on_error={value!r}: expected 'dead', 'close' or Retry(times, backoff_s)")


def check_ordered(value: object) -> bool:
    """Whether a route keeps order.

    Raises:
        Unfit: it is no bool.
    """
    if isinstance(value, bool):
        return value
    raise Unfit(f"ordered={value!r}: expected True or False")


def unordered_misfit(channel: ChannelName) -> Unfit | None:
    """Tells that messages of a channel cannot be set aside."""
    if channel not in _WAITED_FOR:
        return None
    return Unfit(
        f"ordered=False on {channel}: {_WAITED_FOR[channel]}", "leave it out, or name another channel"
    )


def unknown_key(channel: ChannelName, key: str) -> Unfit | None:
    """Tells that no message of the channel has a key that a filter looks at."""
    known = KNOWN_KEYS.get(channel)
    if known is None or key in known:
        return None
    if key in LIST_KEYS:
        return Unfit(f"filter {key!r}: a filter looks at text, {key} is a list", "look at it in the handler")
    near = difflib.get_close_matches(key, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    return Unfit(f"filter {key!r}: no message of {channel} has this key", hint)


class Duplicates:
    """Finds routes that can never match, because an earlier one has the same channel and the same filters."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[Any, Route] = {}

    def earlier(self, route: Route) -> Route | None:
        """The earlier route that takes everything this one could take, or None."""
        first = self._seen.setdefault((route.channel, _filters(route.steps)), route)
        return None if first is route else first


def _filters(steps: tuple[Step, ...]) -> tuple[Any, ...]:
    # Filters on different keys do not see each other, so only the order of those on one key counts.
    return tuple(
        sorted(((s.key, s.pattern.pattern, s.pattern.flags, s.cuts) for s in steps), key=lambda f: f[0])
    )

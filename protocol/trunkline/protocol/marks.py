"""Marks: what an entry carries along while its way is watched, and what a worker tells of it. Pure.

An entry without marks has no place for them: only few are watched, and the others must not pay for it. A mark is about
a trace (https://www.w3.org/TR/trace-context/), about the waterfall of interface servers, or both.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from .messages import Entry

MAX_STATE = 512
"""Characters of a ``tracestate`` that is carried on; a longer one is left out, as the specification allows."""
MAX_TEXT = 200
"""Characters of a text in `Stamps`: names of routes are short, and the rest nobody would read."""

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE = re.compile(r"[\x20-\x7e]*")
_NOBODY = ("0" * 32, "0" * 16)
_SAMPLED = 1
"""The one bit of the trace flags that we know."""


class TraceContext(NamedTuple):
    """Where in a trace something happens.

    Attributes:
        trace_id: of the trace, 32 hex digits.
        span_id: of the span that what comes next is a child of, 16 hex digits.
        sampled: whether spans are recorded.
        state: what other tracing systems want carried along, ``tracestate``; empty for nothing.
    """

    trace_id: str
    span_id: str
    sampled: bool = True
    state: str = ""

    @property
    def traceparent(self) -> str:
        """As it stands in a header."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"


def read_context(traceparent: object, tracestate: object = "") -> TraceContext | None:
    """Reads a ``traceparent``; one that breaks a rule counts as none, as the specification wants it.

    Args:
        traceparent: whatever somebody sent.
        tracestate: what came with it; a bad one is left out.
    """
    found = _TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    # A later version may have more fields; this one has not, and ff is none.
    if version == "ff" or (version == "00" and more) or trace_id == _NOBODY[0] or span_id == _NOBODY[1]:
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & _SAMPLED), _state(tracestate))


def _state(value: object) -> str:
    if isinstance(value, str) and len(value) <= MAX_STATE and _STATE.fullmatch(value):
        return value
    return ""


class Marks(NamedTuple):
    """What is asked of those who carry an entry.

    Attributes:
        trace: make spans, children of this one; None for no spans.
        waterfall: tell the interface server when the entry was picked up, handled, committed (`Stamps`).
    """

    trace: TraceContext | None = None
    waterfall: bool = False

    def as_map(self) -> dict[str, Any]:
        """As it stands in an entry or a MARK: only what there is."""
        values: dict[str, Any] = {}
        if self.trace is not None:
            values["trace"] = self.trace.traceparent
            if self.trace.state:
                values["state"] = self.trace.state
        if self.waterfall:
            values["waterfall"] = True
        return values

    @classmethod
    def of(cls, values: dict[Any, Any]) -> Marks:
        """Reads a map; what it does not know, or cannot read, it leaves out: marks are never worth a message."""
        trace = read_context(values.get("trace"), values.get("state"))
        return cls(trace, values.get("waterfall") is True)


class MarkedEntry(Entry):
    """An entry with marks. It is an `Entry` in all else, so whoever does not care for marks need not know."""

    marks: Marks

    @classmethod
    def with_marks(cls, entry: Entry, marks: Marks) -> MarkedEntry:
        """The entry, marked."""
        marked = tuple.__new__(cls, entry)
        marked.marks = marks
        return marked

    # A named tuple's own would make a tuple without the marks.
    def _replace(self, /, **values: Any) -> MarkedEntry:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.with_marks(Entry._make(self)._replace(**values), self.marks)


def marks_of(entry: Entry) -> Marks | None:
    """An entry's marks, None if it has none."""
    return entry.marks if isinstance(entry, MarkedEntry) else None


class Stamps(NamedTuple):
    """What a worker tells of an entry whose way is timed. No clock of one host is compared with that of another: times
    count from the moment in which the worker took the entry, in microseconds, and what came before by Redis' clock.

    Attributes:
        worker: who had it.
        route: the route of its last event; empty if none took it.
        attempt: 1, and one more for every worker that died with it.
        entry: its id in the channel's stream.
        queued_us: how long it stood there.
        handling_us: when its first handler began.
        handled_us: when its last handler had ended.
        sent_us: when its outcome was handed over to be committed.
        outcome: ``ok``, or how the last of its handlers that failed did: ``error``, ``timeout``, ….
    """

    worker: str
    route: str
    attempt: int
    entry: str
    queued_us: int
    handling_us: int
    handled_us: int
    sent_us: int
    outcome: str

    def as_list(self) -> list[Any]:
        """As it stands in a MARK."""
        return [value[:MAX_TEXT] if isinstance(value, str) else value for value in self]

    @classmethod
    def of(cls, values: object) -> Stamps | None:
        """Reads a list, None if it is none; further items are left out, as records grow at their end."""
        if not isinstance(values, list) or len(values) < len(_KINDS):
            return None
        values = values[: len(_KINDS)]
        return cls(*values) if [type(value) for value in values] == _KINDS else None


_KINDS: list[type] = [str, str, int, str, int, int, int, int, str]

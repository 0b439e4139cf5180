"""The waterfall: of a few messages, when each step of their way was done. Pure.

Each is a record of this shape, which ``GET /waterfall`` of the admin server gives as JSON in a list ``messages``, the
newest first (`Waterfall.as_json`)::

    {
      "id": "Zm9vYmFy:7",                    begin of the message's id, as `message.id` of the handler, and its number
      "connection": "Zm9vYmFy",              begin of the connection's id
      "channel": "websocket.receive",
      "path": "/chat/lobby",
      "events": 1,                           frames in the same entry; the id is that of the first
      "at": "2026-01-31T12:00:00.000Z",      when the frame was read, by this host's clock, in UTC
      "route": "chat.consumers.ws_echo",     "" if the worker did not tell, or no route took it
      "worker": "w0123456789ab",             "" if the worker did not tell
      "attempt": 1,                          one more for every worker that died with it; 0 if the worker did not tell
      "outcome": "ok",                       or "error", "timeout", …; "" if the worker did not tell
      "trace_id": "",                        32 hex digits if it was traced
      "ms": {                                milliseconds since the frame was read, rising; null if nobody told
        "read": 0.0, "published": 0.4, "picked_up": 1.1, "handling": 1.2,
        "handled": 1.5, "committed": 1.9, "written": 2.6
      }
    }

``published``: handed to Redis. ``picked_up``: a worker has it. ``handling``: the first handler begins. ``handled``: the
last has ended. ``committed``: Redis has applied its effects. ``written``: the answer is handed to the socket (or there
is none). A retry of the handler lies between ``handling`` and ``handled``.

Of a connection's id only the first characters are shown, enough to find it in a log: all of it is a capability, and the
admin server has no password.

No clock of one host is compared with another's. Times on this host count by its own monotonic clock, those within
the worker by the worker's, and how long the message stood in its stream, and from there to its commit, by Redis' alone,
whose ids count milliseconds. So ``picked_up`` and ``committed`` are true to a millisecond or two, and where they would
come before the step before them, they are moved there.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from typing import Any, Final, NamedTuple

from trunkline.protocol.marks import Stamps

KEPT: Final = 200
"""Messages that are shown: at one a second the last minutes, in some 100 KB."""
SHOWN_ID: Final = 8
"""Characters of a connection's id that are shown; the other twelve nobody guesses."""
UNDER_WAY: Final = 200
"""Messages that have not come back, which are remembered at most; the oldest go first."""
STEPS: Final = ("read", "published", "picked_up", "handling", "handled", "committed", "written")
"""The keys of ``ms``, in order."""


class Departure(NamedTuple):
    """A message on its way to the workers.

    Attributes:
        connection: its connection's id.
        seq: number of its first event there.
        channel: where it went.
        path: of its connection.
        events: how many frames its entry has.
        at_s: Unix time when it was read.
        read_s: the same by the monotonic clock.
        published_s: when it was handed to Redis, by the monotonic clock; 0 before.
        trace_id: of its trace, or empty.
    """

    connection: str
    seq: int
    channel: str
    path: str
    events: int
    at_s: float
    read_s: float
    published_s: float = 0.0
    trace_id: str = ""


class Arrival(NamedTuple):
    """How it came back.

    Attributes:
        stamps: what the worker told, None if nothing.
        token: id of the mailbox entry.
        arrived_s: when that came, by the monotonic clock.
    """

    stamps: Stamps | None
    token: str
    arrived_s: float


def record(departure: Departure, arrival: Arrival, written_s: float) -> dict[str, Any]:
    """The record of one message; see the module.

    Args:
        departure: how it left.
        arrival: how it came back.
        written_s: when its answer was written, by the monotonic clock.
    """
    stamps = arrival.stamps
    return {
        "id": f"{departure.connection[:SHOWN_ID]}:{departure.seq}",
        "connection": departure.connection[:SHOWN_ID],
        "channel": departure.channel,
        "path": departure.path,
        "events": departure.events,
        "at": _utc(departure.at_s),
        "route": stamps.route if stamps else "",
        "worker": stamps.worker if stamps else "",
        "attempt": stamps.attempt if stamps else 0,
        "outcome": stamps.outcome if stamps else "",
        "trace_id": departure.trace_id,
        "ms": dict(zip(STEPS, _timeline(departure, arrival, written_s), strict=True)),
    }


def _timeline(departure: Departure, arrival: Arrival, written_s: float) -> list[float | None]:
    """Milliseconds since the frame was read, one for each of `STEPS`."""

    def since_ms(moment_s: float) -> float:
        return (moment_s - departure.read_s) * 1000

    published, arrived, written = map(
        since_ms, (departure.published_s or departure.read_s, arrival.arrived_s, written_s)
    )
    if arrival.stamps is None:
        return [0.0, _rounded(published), None, None, None, None, _rounded(written)]
    stamps = arrival.stamps
    at_work = stamps.sent_us / 1000
    # What is not the worker's own time passed before it, in the stream, and behind it, until the mailbox was read.
    latest = max(published, arrived - at_work)
    picked_up = min(published + max(0, stamps.queued_us) / 1000, latest)
    times = [picked_up + part / 1000 for part in (0, stamps.handling_us, stamps.handled_us)]
    added_ms = _between(stamps.entry, arrival.token)
    committed = min(max(picked_up + at_work, published + added_ms), arrived) if added_ms is not None else None
    rising = [published]
    for moment in times:
        rising.append(min(max(moment, rising[-1]), arrived))
    return [
        0.0,
        *map(_rounded, rising),
        None if committed is None else _rounded(max(committed, rising[-1])),
        _rounded(written),
    ]


def _between(entry: str, token: str) -> int | None:
    """Milliseconds of Redis' clock between the adding of two stream entries; None where the ids are no times."""
    stamps = [text.partition("-")[0] for text in (entry, token)]
    if not all(stamp.isascii() and stamp.isdecimal() and 13 <= len(stamp) < 20 for stamp in stamps):
        return None
    return int(stamps[1]) - int(stamps[0])


def _rounded(milliseconds: float) -> float:
    return round(milliseconds, 3)


def _utc(at_s: float) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at_s))}.{int(at_s * 1000) % 1000:03d}Z"


class Waterfall:
    """Keeps the latest records of an interface server.

    Args:
        per_s: how many messages a second may be timed.
    """

    __slots__ = ("_done", "_under_way", "per_s")

    def __init__(self, per_s: float) -> None:
        self.per_s = per_s
        self._under_way: OrderedDict[str, Departure] = OrderedDict()
        self._done: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def __len__(self) -> int:
        return len(self._done)

    @property
    def awaits(self) -> bool:
        """Whether a message that is watched is under way."""
        return bool(self._under_way)

    def departs(self, departure: Departure) -> None:
        """A message leaves; one entry of a connection is under way at a time."""
        self._under_way.pop(departure.connection, None)
        self._under_way[departure.connection] = departure
        if len(self._under_way) > UNDER_WAY:
            self._under_way.popitem(last=False)

    def published(self, connection: str, now_s: float) -> None:
        """It was handed to Redis, for the first time or again."""
        departure = self._under_way.get(connection)
        if departure is not None:
            self._under_way[connection] = departure._replace(published_s=now_s)

    def returns(self, connection: str, seq: int) -> Departure | None:
        """The way back of the entry that began with event ``seq`` has begun: its departure, None if it is not watched,
        or was told before."""
        departure = self._under_way.get(connection)
        if departure is None or departure.seq != seq:
            return None
        return self._under_way.pop(connection)

    def written(self, departure: Departure, arrival: Arrival, written_s: float) -> None:
        """Its answer was written: it is shown from now on."""
        self._done.append(record(departure, arrival, written_s))

    def as_json(self, interface: str) -> dict[str, Any]:
        """What ``GET /waterfall`` answers.

        Args:
            interface: the present interface id.
        """
        return {
            "interface": interface,
            "per_s": self.per_s,
            "kept": KEPT,
            "messages": list(reversed(self._done)),
        }

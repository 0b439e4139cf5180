"""Which messages are watched on their way, and what is told of them: spans, and records of the waterfall.

An interface server that watches nothing has none of this. A message is chosen when it is published, and its entry
carries marks (`trunkline.protocol.marks`) that ask the worker to do its part; what that sends back has marks before it.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from multidict import CIMultiDictProxy

from trunkline.protocol.codec import GROUP_SEND, MARK, RELEASE, decode_entry, mark_entry
from trunkline.protocol.layer import Publication
from trunkline.protocol.marks import Marks, Stamps, TraceContext, read_context
from trunkline.protocol.names import RECEIVE, ChannelName
from trunkline.protocol.tracks import TRACKED, split_track

from .connection import Connection
from .exchange import Exchange
from .settings import InterfaceSettings
from .waterfall import Arrival, Departure, Waterfall

if TYPE_CHECKING:
    from trunkline.protocol.process.spans import Span, Tracing

_KEY: Final = b'"traceparent"'


def trace_in(event: object) -> TraceContext | None:
    """The trace that a message itself says it belongs to: ``traceparent`` (and ``tracestate``) at the top level of an
    object in JSON; None for every other message."""
    if not isinstance(event, str):
        return None
    try:
        said = json.loads(event)
    except (ValueError, RecursionError):
        return None
    return read_context(said.get("traceparent"), said.get("tracestate")) if isinstance(said, dict) else None


class Watch:
    """Chooses messages, and follows those that it chose.

    Args:
        settings: how many, and whose traceparent counts.
        loop: opens the waterfall for the next message.
        waterfall: keeps the records; None for no waterfall.
        tracing: makes spans; None for no traces.
        chance: number from 0 to 1.
    """

    __slots__ = (
        "_chance",
        "_from_header",
        "_from_message",
        "_leaving",
        "_loop",
        "_open",
        "_share",
        "_timer",
        "tracing",
        "waterfall",
    )

    def __init__(
        self,
        settings: InterfaceSettings,
        loop: asyncio.AbstractEventLoop,
        waterfall: Waterfall | None,
        tracing: Tracing | None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.waterfall = waterfall
        self.tracing = tracing
        self._loop = loop
        self._chance = chance
        self._share = settings.trace_sample or 0.0
        self._from_header = settings.trace_from in ("header", "both")
        self._from_message = settings.trace_from in ("message", "both")
        self._open = waterfall is not None  # the next message is timed
        self._timer: asyncio.TimerHandle | None = None
        self._leaving: list[tuple[str, Span | None]] = []  # chosen, and not handed to Redis yet

    def close(self) -> None:
        """Times nothing any more. Idempotent."""
        self._open = False
        if self._timer is not None:
            self._timer.cancel()

    # ---- the way out ----

    def origin(self, headers: CIMultiDictProxy[str]) -> TraceContext | None:
        """The trace that a handshake or request says it belongs to; two of them are none."""
        parents = headers.getall("traceparent", [])
        if self.tracing is None or not self._from_header or len(parents) != 1:
            return None
        return read_context(parents[0].strip(), ",".join(headers.getall("tracestate", [])))

    def departs(self, publication: Publication) -> Publication:
        """A message is about to be published for the first time: with marks, if it is chosen."""
        if not self._open and self.tracing is None:
            return publication
        owner = publication.owner
        channel, track = split_track(publication.channel)
        if channel not in TRACKED or not isinstance(owner, (Connection, Exchange)):
            return publication
        span = self._span(channel, track, publication.body, owner) if self.tracing is not None else None
        timed = self._open and channel == RECEIVE and self._timed(channel, owner, span)
        if span is None and not timed:
            return publication
        self._leaving.append((owner.id, span))
        marks = Marks(span.context if span is not None else None, timed)
        return publication._replace(body=mark_entry(publication.body, marks))

    def _span(
        self, channel: ChannelName, track: str, body: bytes, owner: Connection | Exchange
    ) -> Span | None:
        parent = self._said(channel, body) or owner.origin
        if not (parent.sampled if parent is not None else self._chance() < self._share):
            return None
        assert self.tracing is not None
        seq, since_s = _number(owner), owner.since_s if isinstance(owner, Connection) else perf_counter()
        attributes = {
            "messaging.operation.name": "publish",
            "messaging.operation.type": "send",
            "messaging.destination.name": channel,
            "messaging.message.id": f"{owner.id}:{seq}",
            "messaging.message.body.size": len(body),
            "trunkline.connection": owner.id,
        }
        if isinstance(owner, Connection):
            attributes["messaging.batch.message_count"] = _count(owner)
        if track:
            attributes["trunkline.track"] = track
        return self.tracing.begin(f"publish {channel}", "producer", parent, attributes, since_s)

    def _said(self, channel: ChannelName, body: bytes) -> TraceContext | None:
        """The trace that the first of an entry's messages says it belongs to."""
        if not self._from_message or channel != RECEIVE or _KEY not in body:
            return None
        events = decode_entry(channel, body).events
        return next((found for event in events if (found := trace_in(event)) is not None), None)

    def _timed(self, channel: ChannelName, owner: Connection | Exchange, span: Span | None) -> bool:
        if self.waterfall is None or not isinstance(owner, Connection):
            return False
        self._open = False
        self._timer = self._loop.call_later(1 / self.waterfall.per_s, self._reopen)
        self.waterfall.departs(
            Departure(
                connection=owner.id,
                seq=_number(owner),
                channel=channel,
                path=owner.path,
                events=_count(owner),
                at_s=time.time() - (perf_counter() - owner.since_s),
                read_s=owner.since_s,
                trace_id=span.context.trace_id if span is not None else "",
            )
        )
        return True

    def _reopen(self) -> None:
        self._open = True

    def left(self) -> None:
        """What was chosen was handed to Redis now."""
        if not self._leaving:
            return
        now_s = perf_counter()
        for connection, span in self._leaving:
            if span is not None:
                span.end(now_s)
            if self.waterfall is not None:
                self.waterfall.published(connection, now_s)
        self._leaving.clear()

    # ---- the way back ----

    def arrived(
        self,
        operations: Sequence[list[Any]],
        token: str,
        arrived_s: float,
        members: Callable[[str], int],
    ) -> None:
        """A mailbox entry was carried out.

        Args:
            operations: its.
            token: its id.
            arrived_s: when it came, by `time.perf_counter`.
            members: of a group here, how many.
        """
        waterfall = self.waterfall
        awaited = waterfall is not None and waterfall.awaits
        if len(operations) < 2 and not awaited:
            return  # a MARK never comes alone
        written_s = perf_counter()
        marked: list[Any] | None = None
        for operation in operations:
            number = operation[0]
            if number == MARK:
                marked = operation
                continue
            if marked is not None and self.tracing is not None:
                self._written(operation, marked, arrived_s, written_s, members)
            if awaited and waterfall is not None and number == RELEASE:
                departure = waterfall.returns(operation[1], operation[2])
                if departure is not None:
                    stamps = Stamps.of(marked[3].get("stamps")) if marked is not None else None
                    waterfall.written(departure, Arrival(stamps, token, arrived_s), written_s)
            marked = None

    def _written(
        self,
        operation: list[Any],
        marked: list[Any],
        arrived_s: float,
        written_s: float,
        members: Callable[[str], int],
    ) -> None:
        trace = Marks.of(marked[3]).trace
        if trace is None or not trace.sampled or self.tracing is None:
            return
        grouped = operation[0] == GROUP_SEND
        attributes: dict[str, Any] = {
            "messaging.operation.name": "write",
            "messaging.operation.type": "process",
            "messaging.destination.template": "group" if grouped else "reply",
            "messaging.destination.name": operation[1],
        }
        if grouped:
            attributes["trunkline.members"] = members(operation[1])
        else:
            attributes["trunkline.connection"] = operation[1]
        name = "write group" if grouped else "write reply"
        self.tracing.begin(name, "consumer", trace, attributes, arrived_s).end(written_s)


def _number(owner: Connection | Exchange) -> int:
    return owner.flow.in_flight if isinstance(owner, Connection) else 0


def _count(owner: Connection) -> int:
    return owner.flow.held - owner.flow.waiting

"""Which messages an interface server watches, and what it makes of what comes back."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from tests.interface.conftest import MakeRig, Rig, settings
from tests.support.fake_layer import echo
from trunkline.interface.tenure import Tenure
from trunkline.interface.watch import Watch, trace_in
from trunkline.protocol.codec import GROUP_ADD, GROUP_SEND, MARK
from trunkline.protocol.marks import Marks, Stamps, TraceContext, marks_of
from trunkline.protocol.messages import Entry
from trunkline.protocol.names import CONNECT, RECEIVE, REQUEST, TRIP, ConnectionId

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
STAMPS = Stamps("w0123456789ab", "r", 1, "1-0", 10, 20, 30, 40, "ok")


class Span:
    """A span that remembers."""

    def __init__(self, name: str, parent: TraceContext | None, attributes: dict[str, Any]) -> None:
        self.name, self.parent, self.attributes = name, parent, attributes
        self.context = TraceContext(parent.trace_id if parent else "ab" * 16, "cd" * 8)
        self.ended: list[float | None] = []

    def end(self, moment_s: float | None = None) -> None:
        self.ended.append(moment_s)


class Tracing:
    """Makes spans."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def begin(
        self,
        name: str,
        kind: str,
        parent: TraceContext | None,
        attributes: dict[str, Any],
        moment_s: float | None = None,
    ) -> Span:
        self.spans.append(Span(name, parent, attributes))
        return self.spans[-1]

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


def silent_frames(entry: Entry, connection: ConnectionId) -> list[list[Any]] | None:
    """Accepts connections and answers no frame."""
    return echo(entry, connection) if entry.channel == CONNECT else None


def watch(tracing: Tracing | None = None, **values: Any) -> Watch:
    made: Any = tracing
    return Watch(settings(**values), asyncio.new_event_loop(), None, made)


def headers(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f'{{"traceparent": "{PARENT}", "tracestate": "a=b"}}', TraceContext(TRACE, SPAN, True, "a=b")),
        (f'{{"x": {{"traceparent": "{PARENT}"}}}}', None),
        (f'["traceparent", "{PARENT}"]', None),
        ('{"traceparent": 7}', None),
        ('"traceparent"', None),
        ("{", None),
        ("[" * 100_000, None),
        (b"{}", None),
    ],
)
def test_a_trace_is_found_at_the_top_level_of_an_object_in_json(
    text: str | bytes, found: TraceContext | None
) -> None:
    assert trace_in(text) == found


@pytest.mark.parametrize(
    ("source", "pairs", "followed"),
    [
        ("header", [("traceparent", PARENT)], True),
        ("both", [("Traceparent", f" {PARENT} ")], True),
        ("header", [("traceparent", PARENT), ("traceparent", PARENT)], False),
        ("header", [], False),
        ("message", [("traceparent", PARENT)], False),
        ("nobody", [("traceparent", PARENT)], False),
    ],
)
def test_a_header_is_followed_where_the_setting_says_so(
    source: str, pairs: list[tuple[str, str]], followed: bool
) -> None:
    loop_owner = watch(Tracing(), trace_sample=0, trace_from=source)
    assert (loop_owner.origin(headers(*pairs)) is not None) is followed
    loop_owner._loop.close()


def test_states_of_several_headers_are_one() -> None:
    found = watch(Tracing(), trace_sample=0)
    context = found.origin(headers(("traceparent", PARENT), ("tracestate", "a=b"), ("tracestate", "c=d")))
    assert context == TraceContext(TRACE, SPAN, True, "a=b,c=d")
    found._loop.close()


def answering(entry: Entry, connection: ConnectionId) -> list[list[Any]] | None:
    """Echoes as a worker that watches does: with marks before what it sends."""
    (release,) = echo(entry, connection) or [[]]
    marks = marks_of(entry)
    if marks is None:
        return [release]
    values = marks.as_map()
    if marks.waterfall:
        values["stamps"] = STAMPS.as_list()
    return [[MARK, connection, entry.seq, values], release]


async def say(socket: aiohttp.ClientWebSocketResponse, *texts: str) -> None:
    """Sends frames, each when the one before it has come back."""
    for text in texts:
        await socket.send_str(text)
        assert await socket.receive_str(timeout=10) == text


async def shown(rig: Rig) -> list[dict[str, Any]]:
    """What the waterfall shows."""
    request: Any = None
    body = (await rig.server.waterfall(request)).body
    assert isinstance(body, bytes)
    messages: list[dict[str, Any]] = json.loads(body)["messages"]
    return messages


async def test_without_settings_nothing_is_marked_and_nothing_shown(make_rig: MakeRig) -> None:
    rig = await make_rig(answering)
    await say(await rig.websocket(), "a")
    assert [marks_of(entry) for entry in rig.layer.entries] == [None, None]
    assert type(rig.server.tenure) is Tenure
    assert await shown(rig) == []


async def test_one_message_is_timed_and_the_next_not_before_its_time(make_rig: MakeRig) -> None:
    rig = await make_rig(answering, waterfall_per_s=0.001)
    await say(await rig.websocket("/chat"), "a", "b", "c")
    assert [marks_of(entry) for entry in rig.layer.entries] == [None, Marks(waterfall=True), None, None]
    (message,) = await shown(rig)
    assert (message["path"], message["route"], message["events"]) == ("/chat", "r", 1)
    assert None not in [message["ms"][step] for step in ("published", "picked_up", "handled", "written")]


async def test_the_next_one_is_timed_when_it_is_time(make_rig: MakeRig) -> None:
    rig = await make_rig(answering, waterfall_per_s=1000)
    socket = await rig.websocket()
    async with asyncio.timeout(30):
        while len(await shown(rig)) < 3:
            await say(socket, "a")
    assert all(message["worker"] == STAMPS.worker for message in await shown(rig))


async def test_a_worker_that_does_not_tell_leaves_gaps(make_rig: MakeRig) -> None:
    rig = await make_rig(waterfall_per_s=0.001)
    await say(await rig.websocket(), "a")
    (message,) = await shown(rig)
    assert (message["worker"], message["ms"]["handled"]) == ("", None)
    assert message["ms"]["written"] > 0


async def test_what_is_published_again_keeps_its_marks(make_rig: MakeRig) -> None:
    rig = await make_rig(silent_frames, waterfall_per_s=0.001)
    socket = await rig.websocket()
    await socket.send_str("a")
    await rig.layer.entry(RECEIVE)
    assert rig.server.tenure is not None
    rig.server.tenure.shards[0].republish(0, 99)
    again = await rig.layer.entry(RECEIVE, 1)
    assert marks_of(again) == Marks(waterfall=True)


async def test_a_message_begins_a_trace_that_comes_back_to_be_written(make_rig: MakeRig) -> None:
    tracing: Any = Tracing()
    rig = await make_rig(answering, tracing=lambda counters: tracing, trace_sample=1)
    await say(await rig.websocket(), "a")
    (published,) = tracing.named("publish websocket.receive")
    written = tracing.named("write reply")[-1]

    assert published.parent is None
    assert len(published.ended) == 1
    assert published.attributes["messaging.batch.message_count"] == 1
    assert written.parent == published.context
    assert len(written.ended) == 1


async def test_of_all_messages_as_many_are_sampled_as_the_setting_says(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracing: Any = Tracing()
    rig = await make_rig(answering, tracing=lambda counters: tracing, trace_sample=0.5)
    chances = iter([0.9, 0.4, 0.5, 0.49])
    assert rig.shared.watch is not None
    monkeypatch.setattr(rig.shared.watch, "_chance", lambda: next(chances))
    await say(await rig.websocket(), "a", "b", "c")
    assert [marks_of(entry) is not None for entry in rig.layer.entries] == [False, True, False, True]


@pytest.mark.parametrize(("flag", "spans"), [("01", True), ("00", False)])
async def test_what_comes_with_a_traceparent_is_sampled_as_that_says(
    make_rig: MakeRig, flag: str, spans: bool
) -> None:
    tracing: Any = Tracing()
    sample = 0 if spans else 1
    rig = await make_rig(answering, tracing=lambda counters: tracing, trace_sample=sample)
    parent = {"traceparent": PARENT[:-2] + flag}
    await say(await rig.websocket(headers=parent), "a")
    async with rig.client.post(rig.url + "/form", data=b"x", headers=parent) as answer:
        assert answer.status == 200
    assert [bool(tracing.named(f"publish {channel}")) for channel in (CONNECT, RECEIVE, REQUEST)] == [
        spans
    ] * 3
    assert all(
        span.parent == TraceContext(TRACE, SPAN) for span in tracing.named("publish websocket.receive")
    )


async def test_of_an_entrys_messages_the_first_that_names_a_trace_counts(make_rig: MakeRig) -> None:
    tracing: Any = Tracing()
    rig = await make_rig(answering, tracing=lambda counters: tracing, trace_sample=0, trace_from="message")
    socket = await rig.websocket()
    await say(socket, "a", '"traceparent"', f'{{"traceparent": "{PARENT}"}}')
    (published,) = tracing.named("publish websocket.receive")
    assert published.parent == TraceContext(TRACE, SPAN)


async def test_a_group_send_is_written_once_for_all_members_here(make_rig: MakeRig) -> None:
    tracing: Any = Tracing()
    rig = await make_rig(answering, tracing=lambda counters: tracing, trace_sample=0)
    sockets = [await rig.websocket(), await rig.websocket()]
    members = [[GROUP_ADD, "g", connection.id] for connection in rig.connections()]
    rig.layer.mail(*members)
    values = Marks(TraceContext(TRACE, SPAN)).as_map()
    rig.layer.mail([MARK, "g", -1, values], [GROUP_SEND, "g", "hi"])
    rig.layer.mail([MARK, "g", -1, {"trace": "nonsense"}], [GROUP_SEND, "g", "hi"])
    (written,) = tracing.spans
    assert [await socket.receive_str() for socket in sockets] == ["hi", "hi"]
    assert (written.name, written.attributes["trunkline.members"]) == ("write group", 2)
    assert written.parent == TraceContext(TRACE, SPAN)


async def test_a_trip_is_never_watched(make_rig: MakeRig) -> None:
    tracing: Any = Tracing()
    rig = await make_rig(answering, tracing=lambda counters: tracing, trace_sample=1)
    request: Any = None
    trip = asyncio.create_task(rig.server.trip(request))
    entry = await rig.layer.entry(TRIP)
    await trip
    assert marks_of(entry) is None
    assert tracing.spans == []

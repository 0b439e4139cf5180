"""One message, one trace, across real processes: spans that a collector was told of, with the right parents."""

from __future__ import annotations

import json
import secrets

import aiohttp
import pytest

from tests.support.processes import Processes
from tests.support.sockets import Client
from tests.tracing.collector import Collector, Told

INTERFACE, WORKER = "trunkline-interface", "trunkline-worker"
PRODUCER, CONSUMER, INTERNAL = 4, 5, 1
PUBLISH = "publish websocket.receive"
ECHO = {
    PUBLISH,
    "process websocket.receive",
    "handle tests.tracing.app.echo",
    "of the handler",
    "commit",
    "write reply",
}

FOLLOWED: set[str] = set()
"""Traces that clients of these tests have begun."""


def fresh() -> tuple[str, dict[str, str]]:
    """A trace that a client has begun, and its header."""
    trace = secrets.token_hex(16)
    FOLLOWED.add(trace)
    return trace, {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}


def below(collector: Collector, trace: str, name: str) -> list[Told]:
    """A span of a trace and all below it."""
    spans = [span for span in collector.spans if span.trace == trace]
    found = [span for span in spans if span.name == name]
    for span in found:  # it grows
        found += [other for other in spans if other.parent == span.id]
    return found


def parents(spans: dict[str, Told]) -> dict[str, str]:
    """Name of each span to that of its parent."""
    names = {span.id: name for name, span in spans.items()}
    return {name: names.get(span.parent, "") for name, span in spans.items()}


async def echo_of(collector: Collector, trace: str) -> dict[str, Told]:
    """The spans of an echo by name, once all have come."""
    await collector.has(
        lambda told: {span.name for span in below(told, trace, PUBLISH)} == ECHO, f"an echo in {trace}"
    )
    spans = below(collector, trace, PUBLISH)
    assert len(spans) == len(ECHO)
    return {span.name: span for span in spans}


async def test_an_echo_is_one_trace_across_both_tiers(
    cluster: Processes, collector: Collector, client: Client
) -> None:
    socket = await client.open(f"{cluster.interfaces[0].address}/echo")
    await socket.send("hello")
    await socket.hears(1)
    await collector.has(lambda told: told.named("of the handler"), "an echo")
    spans = await echo_of(collector, collector.named("of the handler")[-1].trace)

    assert parents(spans) == {
        PUBLISH: "",
        "process websocket.receive": PUBLISH,
        "handle tests.tracing.app.echo": "process websocket.receive",
        "of the handler": "handle tests.tracing.app.echo",
        "commit": "process websocket.receive",
        "write reply": "process websocket.receive",
    }
    assert {name for name, span in spans.items() if span.service == INTERFACE} == {PUBLISH, "write reply"}
    assert sorted(span.kind for span in spans.values()) == [INTERNAL] * 3 + [PRODUCER] + [CONSUMER] * 2
    published, processed = spans[PUBLISH], spans["process websocket.receive"]
    assert published.parent == ""
    assert published.attributes["messaging.system"] == "trunkline"
    assert published.attributes["messaging.message.id"] == processed.attributes["messaging.message.id"]
    assert processed.attributes["messaging.client.id"] == cluster.workers[0].id
    assert processed.attributes["trunkline.attempt"] == 1
    assert all(span.ms >= 0 and not span.failed for span in spans.values())
    assert processed.start_ns >= published.start_ns


async def test_what_is_not_sampled_leaves_no_span(
    cluster: Processes, collector: Collector, client: Client
) -> None:
    unsampled = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
    silent = await client.open(f"{cluster.interfaces[1].address}/echo")
    refused = await client.open(f"{cluster.interfaces[0].address}/echo", headers={"traceparent": unsampled})
    for socket in (silent, refused):
        await socket.send("not to be seen")
        await socket.hears(1)
    trace, headers = fresh()
    seen = await client.open(f"{cluster.interfaces[1].address}/echo", headers=headers)
    await seen.send("to be seen")
    await seen.hears(1)
    await echo_of(collector, trace)

    assert not any(span.trace == unsampled[3:35] for span in collector.spans)
    # What a process sent before has been exported before.
    by_two = [span for span in collector.spans if span.pid == cluster.interfaces[1].pid]
    assert {span.name for span in by_two if span.trace == trace} >= {"publish websocket.connect", PUBLISH}
    assert {span.name for span in by_two if span.trace not in FOLLOWED} <= {"write group", "write reply"}


async def test_a_handshakes_traceparent_is_followed_to_a_group_on_another_interface_server(
    cluster: Processes, collector: Collector, client: Client
) -> None:
    trace, headers = fresh()
    elsewhere = await client.open(f"{cluster.interfaces[1].address}/shout")
    shouter = await client.open(f"{cluster.interfaces[0].address}/shout", headers=headers)
    await shouter.send("hey")
    await shouter.hears(1)
    assert await elsewhere.hears(1) == ["hey"]
    await collector.has(
        lambda told: len([span for span in told.named("write group") if span.trace == trace]) == 2,
        "what both interface servers wrote",
    )
    await collector.has(
        lambda told: (
            {"handle tests.tracing.app.shout", PUBLISH}
            <= {span.name for span in told.spans if span.trace == trace}
        ),
        "what the others did",
    )
    spans = [span for span in collector.spans if span.trace == trace]
    handled = next(span for span in spans if span.name == "handle tests.tracing.app.shout")
    written = [span for span in spans if span.name == "write group"]

    assert {span.parent for span in written} == {handled.id}
    assert {span.pid for span in written} == {interface.pid for interface in cluster.interfaces}
    assert {span.attributes["messaging.destination.name"] for span in written} == {"all"}
    first = next(span for span in spans if span.name == PUBLISH)
    assert first.parent == headers["traceparent"].split("-")[2]


async def test_a_message_that_names_its_trace_is_followed(
    cluster: Processes, collector: Collector, client: Client
) -> None:
    trace, headers = fresh()
    socket = await client.open(f"{cluster.interfaces[0].address}/echo")
    await socket.send(json.dumps({"text": "hi", **headers}))
    await socket.hears(1)

    spans = await echo_of(collector, trace)
    assert spans[PUBLISH].parent == headers["traceparent"].split("-")[2]


@pytest.mark.parametrize(("kind", "deliveries"), [("later", 1), ("again", 2)])
async def test_a_background_message_carries_the_trace_on_also_when_it_waits_or_is_set_aside(
    cluster: Processes, collector: Collector, client: Client, kind: str, deliveries: int
) -> None:
    trace, headers = fresh()
    socket = await client.open(f"{cluster.interfaces[0].address}/{kind}", headers=headers)
    await socket.send("x")
    assert (await socket.hears(1))[0] == f"{kind} x"
    await collector.has(
        lambda told: (
            len([span for span in told.named(f"process {kind}") if span.trace == trace]) == deliveries
        ),
        "every delivery",
    )
    await collector.has(
        lambda told: any(s.trace == trace for s in told.named(f"handle tests.tracing.app.{kind}")),
        "the sender",
    )
    spans = [span for span in collector.spans if span.trace == trace]
    sender = next(span for span in spans if span.name == f"handle tests.tracing.app.{kind}")

    assert {span.parent for span in spans if span.name == f"process {kind}"} == {sender.id}


async def test_a_handler_that_fails_is_told_as_an_error(
    cluster: Processes, collector: Collector, client: Client
) -> None:
    trace, headers = fresh()
    socket = await client.open(f"{cluster.interfaces[0].address}/fail", headers=headers)
    await socket.send("x")
    name = "handle tests.tracing.app.fail"
    await collector.has(lambda told: any(span.trace == trace for span in told.named(name)), "the failure")
    failed = next(span for span in collector.named(name) if span.trace == trace)

    assert failed.failed
    assert failed.attributes["error.type"] == "ValueError"


async def test_the_waterfall_shows_the_same_messages(cluster: Processes, client: Client) -> None:
    socket = await client.open(f"{cluster.interfaces[0].address}/echo")
    await socket.send("x")
    await socket.hears(1)
    lease = await cluster.lease(cluster.interfaces[0])
    assert lease is not None
    async with aiohttp.ClientSession() as session, session.get(f"http://{lease.admin}/waterfall") as said:
        answer = await said.json()
    newest = answer["messages"][0]

    assert answer["interface"] == cluster.interfaces[0].id
    assert newest["route"] == "tests.tracing.app.echo"
    assert newest["worker"] == cluster.workers[0].id
    assert (newest["attempt"], newest["outcome"], newest["events"]) == (1, "ok", 1)
    assert len(newest["trace_id"]) == 32
    times = list(newest["ms"].values())
    assert times == sorted(times)

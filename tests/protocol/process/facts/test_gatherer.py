"""The gatherer: asks Redis and every process, and survives all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest
from aiohttp import web

from tests.protocol.process.facts.make import a_lease
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.layer import OperatorLayer
from trunkline.protocol.memory import MemoryBus
from trunkline.protocol.messages import ChannelStats, ClusterStats, LeaseInfo
from trunkline.protocol.names import RECEIVE, InterfaceId
from trunkline.protocol.process.admin import Handler
from trunkline.protocol.process.facts import gatherer
from trunkline.protocol.process.facts.cluster import Inspected
from trunkline.protocol.process.facts.gatherer import Gatherer
from trunkline.protocol.process.facts.servers import ServerFacts


class Operator:
    """Tells what a test sets."""

    def __init__(self) -> None:
        self.leases: list[LeaseInfo] = []
        self.waiting = 0
        self.dead = 0
        self.up = True
        self.asked_deep: list[bool] = []

    async def stats(self) -> ClusterStats:
        if not self.up:
            raise LayerUnavailable("Redis is away")
        channels = [ChannelStats(RECEIVE, self.waiting, 0, 0.0)]
        interfaces = [lease for lease in self.leases if lease.role == "interface"]
        workers = [lease for lease in self.leases if lease.role == "worker"]
        return ClusterStats(channels, interfaces, workers, self.dead, {InterfaceId("i1"): 3})

    async def inspect(self, deep: bool = False) -> Inspected:
        self.asked_deep.append(deep)
        server = ServerFacts(
            "redis://host", {"total_commands_processed": len(self.asked_deep)}, leases={"w1": 0.5}
        )
        return Inspected((server,), {RECEIVE: 1.0})


@asynccontextmanager
async def admin(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/metrics", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield "{}:{}".format(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()


@pytest.fixture
def operator() -> Operator:
    return Operator()


@pytest.fixture
async def gathering(operator: Operator) -> AsyncIterator[Gatherer]:
    made = Gatherer(cast("OperatorLayer", operator), timeout_s=5.0)
    yield made
    await made.close()
    await made.close()


async def test_two_looks_tell_rates(operator: Operator, gathering: Gatherer) -> None:
    told = [0]

    async def metrics(_: web.Request) -> web.Response:
        told[0] += 50
        return web.Response(text=f"trunkline_messages_total {told[0]}\ntrunkline_clock_seconds 5\n")

    async with admin(metrics) as address:
        operator.leases = [a_lease("w1", address)]
        first = await gathering.look()
        operator.waiting, operator.dead = 8, 2
        second = await gathering.look(deep=True)

    assert operator.asked_deep == [False, True]
    (before,), (process,) = first.processes, second.processes
    assert before.growth.of("trunkline_messages_total") == 50.0 and before.span_s > 99.0
    assert process.growth.of("trunkline_messages_total") == 50.0 and process.span_s < 60.0
    assert process.lease_left_s == 0.5 and process.clock_off_s is not None and process.clock_off_s < -1e6
    assert second.span_s > 0 and first.span_s == 0
    assert second.channels[0].growth_per_s > 0 and second.channels[0].wait_s == 1.0
    assert second.dead_letters_per_s > 0 and first.dead_letters_per_s == 0
    assert second.servers[0].grown("total_commands_processed") == 1.0
    assert second.mailboxes == {"i1": 3}


async def test_a_process_that_does_not_answer_is_shown_as_one_and_holds_nobody_up(operator: Operator) -> None:
    released = asyncio.Event()

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(text="trunkline_connections 4\n")

    async def silent(_: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    async def broken(_: web.Request) -> web.Response:
        return web.Response(status=500)

    gathering = Gatherer(cast("OperatorLayer", operator), timeout_s=0.5)
    async with admin(metrics) as well, admin(silent) as stuck, admin(broken) as ill:
        operator.leases = [
            a_lease("i1", well),
            a_lease("w1", stuck),
            a_lease("w2", ill),
            a_lease("w3", "127.0.0.1:1"),
            a_lease("w4", ""),
        ]
        facts = await gathering.look()
        again = await gathering.look()
        released.set()
        await gathering.close()

    for looked in (facts, again):
        errors = {process.id: process.error for process in looked.processes}
        assert errors["i1"] == "" and looked.connections == 4
        assert errors["w1"] == "no answer within 0.5 s"
        assert errors["w2"] == "status 500"
        assert "127.0.0.1:1" in errors["w3"]
        assert errors["w4"] == "it has no admin server"
        assert looked.processes[1].clock_off_s is None and not looked.processes[1].answers


async def test_a_process_that_was_silent_once_is_compared_with_its_last_answer(
    operator: Operator, gathering: Gatherer
) -> None:
    answers = iter(["trunkline_messages_total 10\n", None, "trunkline_messages_total 30\n"])

    async def metrics(_: web.Request) -> web.Response:
        text = next(answers)
        return web.Response(status=500) if text is None else web.Response(text=text)

    async with admin(metrics) as address:
        operator.leases = [a_lease("w1", address)]
        looks = [await gathering.look() for _ in range(3)]

    assert [bool(look.processes[0].error) for look in looks] == [False, True, False]
    assert looks[2].processes[0].growth.of("trunkline_messages_total") == 20.0


async def test_a_redis_that_is_away_is_told(operator: Operator, gathering: Gatherer) -> None:
    operator.up = False

    facts = await gathering.look()

    assert facts.unavailable == "Redis is away" and facts.processes == ()
    assert facts.machine.host


async def test_of_several_shards_what_is_where_and_who_is_away_is_told(
    operator: Operator, gathering: Gatherer, monkeypatch: pytest.MonkeyPatch
) -> None:
    i1, w1 = a_lease("i1", ""), a_lease("w1", "")
    one = ClusterStats([ChannelStats(RECEIVE, 3, 0, 0.0)], [i1], [w1], 2, {InterfaceId("i1"): 5})
    two = ClusterStats([ChannelStats(RECEIVE, 1, 0, 0.0)], [i1], [], 40, {InterfaceId("i1"): 9})
    both = ClusterStats([ChannelStats(RECEIVE, 4, 0, 0.0)], [i1], [w1], 42, {InterfaceId("i1"): 14})
    looks = iter(
        [
            both._replace(shards={0: one, 1: two}),
            one._replace(shards={0: one}, away={1: "gone fishing"}),
            both._replace(shards={0: one, 1: two}),
            both._replace(shards={1: two, 0: one}, dead_letters=43),
        ]
    )

    async def stats() -> ClusterStats:
        return next(looks)

    monkeypatch.setattr(operator, "stats", stats)

    first, without, back, last = [await gathering.look() for _ in range(4)]

    assert {process.id: process.lacks for process in first.processes} == {"i1": (), "w1": (1,)}
    for look in (first, last):
        assert (look.mailboxes, look.mailboxes_on) == ({"i1": 9}, {"i1": 1})
    assert (first.channels[0].fullest, first.channels[0].fullest_shard) == (3, 0)
    assert without.away == {1: "gone fishing"} and not without.unavailable
    assert without.as_json()["away"] == [{"shard": 1, "why": "gone fishing"}]
    # Forty letters have come back, and were no new ones.
    assert (back.dead_letters_per_s, back.channels[0].growth_per_s) == (0.0, 0.0)
    assert last.dead_letters_per_s > 0


async def test_of_an_answer_that_does_not_end_only_its_begin_is_read(
    operator: Operator, gathering: Gatherer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gatherer, "MAX_ANSWER_BYTES", 100_000)

    async def metrics(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"trunkline_connections 4\n")
        for _ in range(10_000):
            await answer.write(b"x 1\n" * 1000)
        return answer

    async with admin(metrics) as address:
        operator.leases = [a_lease("i1", address)]
        facts = await gathering.look()

    assert facts.connections == 4 and not facts.processes[0].error


async def test_a_layer_without_a_redis_has_facts_too() -> None:
    gathering = Gatherer(MemoryBus().operator())

    facts = await gathering.look(deep=True)

    assert facts.servers == () and not facts.unavailable
    await gathering.close()

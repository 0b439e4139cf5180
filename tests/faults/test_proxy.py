"""The proxy forwards everything as it is, and stops connections at the very command a test names."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import hiredis
import pytest
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.faults.points import Held, When
from tests.faults.proxy import Point, Proxy
from tests.faults.relay import Relay
from tests.support.gate import echo
from tests.support.redis_server import RedisServer
from tests.support.sockets import Client
from tests.support.stack import stack
from tests.support.waiting import until
from trunkline.protocol.redis_layer.scripts import GUARDED, SCRIPTS
from trunkline.protocol.settings import LayerSettings
from trunkline.worker import route

BLOCK_MS = 100
ECHO = [route("websocket.receive", echo)]


def client_of(url: str) -> redis.asyncio.Redis:
    return redis.asyncio.Redis.from_url(
        url, retry=Retry(NoBackoff(), 0), socket_timeout=None, decode_responses=True, max_connections=50
    )


@pytest.fixture
async def proxy(redis_server: RedisServer) -> AsyncIterator[Proxy]:
    proxy = await Proxy.start(redis_server.url)
    yield proxy
    await proxy.close()


@pytest.fixture
async def through(proxy: Proxy) -> AsyncIterator[Any]:
    """A client under test."""
    async with client_of(proxy.url) as client:
        yield client


@pytest.fixture
async def beside(redis_server: RedisServer) -> AsyncIterator[Any]:
    """Looks at Redis past the proxy."""
    async with client_of(redis_server.url) as client:
        yield client


@pytest.fixture
def key(redis_server: RedisServer) -> str:
    return redis_server.fresh_prefix()


@asynccontextmanager
async def stopped_set(
    proxy: Proxy, client: Any, key: str, when: When
) -> AsyncIterator[tuple[asyncio.Task[Any], Held]]:
    """A key being set to 1, stopped before or after it happens."""
    with proxy.armed(Point("SET", when)) as arming:
        writing = asyncio.create_task(client.set(key, "1"))
        yield writing, await arming


class Pipelined:
    """A bare connection on which commands are sent without waiting for answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._replies = hiredis.Reader()

    def send(self, *commands: tuple[str, ...]) -> None:
        self._writer.write(b"".join(hiredis.pack_command(command) for command in commands))  # type: ignore[arg-type]

    async def reply(self) -> Any:
        while (reply := self._replies.gets()) is False:
            data = await self._reader.read(65536)
            if not data:
                raise ConnectionError("closed")
            self._replies.feed(data)
        return reply

    async def close(self) -> None:
        self._writer.transport.abort()
        await asyncio.sleep(0)


@pytest.fixture
async def pipelined(proxy: Proxy) -> AsyncIterator[Pipelined]:
    port = int(proxy.url.rpartition(":")[2].partition("/")[0])
    connection = Pipelined(*await asyncio.open_connection("127.0.0.1", port))
    yield connection
    await connection.close()


# ---- nothing armed ----


async def test_commands_and_answers_pass_as_they_are(proxy: Proxy, through: Any, key: str) -> None:
    value = "\r\n$-1\r\n" * 200_000

    await through.set(key, value)

    assert await through.get(key) == value
    assert proxy.counts["SET"] == proxy.counts["GET"] == 1


async def test_our_scripts_are_counted_by_their_names(proxy: Proxy, through: Any) -> None:
    for leave in (SCRIPTS["leave"], GUARDED["leave"]):
        with pytest.raises(redis.ResponseError):
            await through.eval(leave.text, 0)
        with pytest.raises(redis.ResponseError):
            await through.evalsha(leave.sha.upper(), 0)
    assert await through.eval("return 1", 0) == 1

    assert proxy.counts["leave"] == 4
    assert proxy.counts["EVAL"] == 1


async def test_a_resp3_client_is_served(proxy: Proxy, key: str) -> None:
    client: Any
    async with client_of(f"{proxy.url}?protocol=3") as client:
        await client.hset(key, mapping={"a": "1"})
        with proxy.armed(Point("HGETALL", "after")) as arming:
            reading = asyncio.create_task(client.hgetall(key))
            (await arming).go()

            assert await reading == {"a": "1"}
    assert proxy.counts["HELLO"] >= 1


async def test_a_redis_that_is_not_there_looks_like_a_reset(tmp_path: Any) -> None:
    proxy = await Proxy.start(f"unix://{tmp_path}/nobody")
    async with client_of(proxy.url) as client:
        with pytest.raises(redis.ConnectionError):
            await client.ping()
    await proxy.close()


async def test_what_is_no_resp_ends_its_connection(proxy: Proxy, pipelined: Pipelined) -> None:
    pipelined._writer.write(b"PING\r\n")

    with pytest.raises(ConnectionError):
        await pipelined.reply()
    assert proxy.counts["(no RESP)"] == 1


async def test_tls_is_refused() -> None:
    with pytest.raises(ValueError, match="neither redis:// nor unix://"):
        await Proxy.start("rediss://localhost")


# ---- points ----


async def test_a_command_stopped_before_has_not_happened_until_it_goes(
    proxy: Proxy, through: Any, beside: Any, key: str
) -> None:
    async with stopped_set(proxy, through, key, "before") as (writing, held):
        assert await beside.get(key) is None
        assert not writing.done()
        held.go()
        assert await writing

    assert await beside.get(key) == "1"


async def test_a_point_can_be_waited_for_while_the_load_runs(proxy: Proxy, through: Any) -> None:
    async def load() -> None:
        for _ in range(1000):
            await through.ping()

    loading = asyncio.create_task(load())
    held = await proxy.reach(Point("PING", "before"), nth=3)

    assert not loading.done()
    held.go()
    await loading


async def test_a_command_cut_before_never_happens(proxy: Proxy, through: Any, beside: Any, key: str) -> None:
    async with stopped_set(proxy, through, key, "before") as (writing, held):
        held.cut()

        with pytest.raises(redis.ConnectionError):
            await writing

    assert await beside.get(key) is None
    assert await through.ping(), "the next connection is made as ever"


async def test_a_command_stopped_after_has_happened_and_waits_for_its_answer(
    proxy: Proxy, through: Any, beside: Any, key: str
) -> None:
    async with stopped_set(proxy, through, key, "after") as (writing, held):
        assert await beside.get(key) == "1"
        assert not writing.done()
        held.go()
        assert await writing


async def test_a_command_cut_after_has_happened_and_its_answer_is_lost(
    proxy: Proxy, through: Any, beside: Any, key: str
) -> None:
    async with stopped_set(proxy, through, key, "after") as (writing, held):
        held.cut()

        with pytest.raises(redis.ConnectionError):
            await writing

    assert await beside.get(key) == "1"


async def test_other_connections_go_on(proxy: Proxy, through: Any, key: str) -> None:
    async with stopped_set(proxy, through, key, "before") as (writing, held):
        assert await through.get(key) is None
        held.go()
        await writing


async def test_the_nth_command_from_now_is_stopped(proxy: Proxy, through: Any, key: str) -> None:
    await through.incr(key)
    with proxy.armed(Point("INCRBY", "after"), nth=3) as arming:
        assert [await through.incr(key), await through.incr(key)] == [2, 3]
        assert not arming.reached
        third = asyncio.create_task(through.incr(key))
        (await arming).go()

        assert await third == 4
        assert await through.incr(key) == 5


@pytest.mark.parametrize("when", ["before", "after"])
async def test_in_a_pipeline_what_is_in_front_is_answered_and_what_is_behind_waits(
    proxy: Proxy, pipelined: Pipelined, beside: Any, key: str, when: Any
) -> None:
    with proxy.armed(Point("INCR", when), nth=2) as arming:
        pipelined.send(("INCR", key), ("INCR", key), ("INCR", key), ("PING",))
        held = await arming

        assert await pipelined.reply() == 1
        assert await beside.get(key) == ("1" if when == "before" else "2")
        held.go()
        assert [await pipelined.reply() for _ in range(3)] == [2, 3, b"PONG"]


async def test_the_answer_of_a_blocking_read_is_paired_with_it(
    proxy: Proxy, pipelined: Pipelined, beside: Any, key: str
) -> None:
    read = ("XREAD", "BLOCK", str(BLOCK_MS), "STREAMS", key, "0")
    with proxy.armed(Point("XREAD", "after"), nth=2) as arming:
        pipelined.send(("PING",), read, ("PING",), read, ("PING",))
        assert await pipelined.reply() == b"PONG"
        assert await pipelined.reply() is None
        assert await pipelined.reply() == b"PONG"
        await beside.xadd(key, {"a": "1"})
        held = await arming
        assert proxy.counts["PING"] == 2, "the third stands behind it"
        held.go()

        assert (await pipelined.reply())[0][0] == key.encode()
        assert await pipelined.reply() == b"PONG"


async def test_one_command_is_stopped_before_and_then_after(
    proxy: Proxy, through: Any, beside: Any, key: str
) -> None:
    with proxy.armed(Point("SET", "after")) as after, proxy.armed(Point("SET", "before")) as before:
        writing = asyncio.create_task(through.set(key, "1"))
        held = await before
        assert not after.reached
        held.go()
        held = await after
        assert await beside.get(key) == "1"
        held.go()
        await writing


async def test_leaving_the_block_lets_go_on_what_nobody_decided_upon(
    proxy: Proxy, through: Any, key: str
) -> None:
    with proxy.armed(Point("SET", "after")) as first, proxy.armed(Point("SET", "before")) as second:
        writing = asyncio.create_task(through.set(key, "1"))
        await second
        assert not first.reached

    assert await writing
    assert await through.set(key, "2"), "nothing is armed any more"


async def test_a_process_that_dies_while_it_is_stopped_before_takes_the_call_with_it(
    proxy: Proxy, pipelined: Pipelined, beside: Any, key: str
) -> None:
    with proxy.armed(Point("SET", "before")) as arming:
        pipelined.send(("SET", key, "1"))
        held = await arming
        await pipelined.close()
        await until(lambda: not proxy.relays, what="the proxy has noticed")
        held.go()

    assert await beside.get(key) is None


async def test_a_point_nobody_reaches_tells_what_came_instead(proxy: Proxy, through: Any, key: str) -> None:
    arming = proxy.armed(Point("SET", "before"), nth=2)
    await through.set(key, "1")

    with pytest.raises(AssertionError, match=r"before SET, number 2; since then 1 .*'SET': 1"):
        await arming.within(0.01)

    assert await through.set(key, "2"), "it is disarmed"


def test_a_name_that_no_command_has_is_refused() -> None:
    with pytest.raises(ValueError, match="'comit' is neither"):
        Point("comit", "before")


async def test_the_first_command_is_number_one(proxy: Proxy) -> None:
    with pytest.raises(ValueError, match="nth is 0"):
        proxy.armed(Point("SET", "before"), nth=0)


async def test_a_commit_whose_answer_is_lost_is_one_all_the_same(
    proxy: Proxy, layer_settings: LayerSettings
) -> None:
    settings = layer_settings.model_copy(update={"redis_url": proxy.url})
    async with stack(ECHO, "redis", redis=settings) as running, Client() as client:
        socket = await client.open(running.url("/"))
        with proxy.armed(Point("commit", "after")) as arming:
            await socket.send("1")
            (await arming).cut()
            await socket.send("2")

            assert await socket.hears(2) == ["1", "2"]
    assert {"publish", "commit", "XREADGROUP", "XREAD"} <= proxy.counts.keys()


# ---- other faults ----


async def test_a_cut_resets_every_connection(proxy: Proxy, through: Any, pipelined: Pipelined) -> None:
    pipelined.send(("PING",))
    await pipelined.reply()
    reading = asyncio.create_task(through.xread({"nothing": "$"}, block=0))
    await until(lambda: proxy.counts["XREAD"])

    proxy.cut_all()

    with pytest.raises(redis.ConnectionError):
        await reading
    with pytest.raises(ConnectionResetError):
        await pipelined.reply()
    assert await through.ping()


async def test_a_partition_swallows_everything_until_it_is_healed(
    proxy: Proxy, through: Any, beside: Any, key: str
) -> None:
    await through.ping()
    proxy.partition()
    writing = [asyncio.create_task(through.set(f"{key}{number}", "1")) for number in range(2)]
    await until(lambda: len(proxy.relays) == 2, what="the second has made a connection, as it seems to it")

    assert await beside.ping()
    assert not any(task.done() for task in writing)
    proxy.heal()

    for task in writing:
        with pytest.raises(redis.ConnectionError):
            await task
    assert await beside.exists(f"{key}0", f"{key}1") == 0
    assert await through.set(key, "1")


async def test_a_delay_holds_each_direction_up_and_keeps_the_order(
    proxy: Proxy, pipelined: Pipelined, key: str
) -> None:
    clock = asyncio.get_running_loop().time
    pipelined.send(("PING",))
    await pipelined.reply()
    proxy.delay_s = 0.05
    began_s = clock()
    pipelined.send(("INCR", key))
    await until(lambda: any(relay.client.line.waiting for relay in proxy.relays))
    proxy.delay_s = 0.0
    pipelined.send(("INCR", key))

    assert [await pipelined.reply(), await pipelined.reply()] == [1, 2]
    assert clock() - began_s >= 0.05


async def test_nothing_is_left_behind_by_connections_that_ended(proxy: Proxy, key: str) -> None:
    for _ in range(3):
        async with client_of(proxy.url) as client:
            await client.ping()

    await until(lambda: not proxy.relays)


class Meanwhile(set[Relay]):
    """The connections of a proxy to which something happens between a connect and its being made."""

    def __init__(self, happens: Callable[[Relay], object]) -> None:
        self._happens = happens

    def add(self, relay: Relay) -> None:
        super().add(relay)
        self._happens(relay)


@pytest.mark.parametrize("how", ["cut", "closed"])
async def test_a_connection_that_is_made_when_all_are_reset_is_reset(proxy: Proxy, how: str) -> None:
    closing: list[asyncio.Task[None]] = []

    def close(relay: Relay) -> None:
        closing.append(asyncio.create_task(proxy.close()))

    proxy.relays = Meanwhile(Relay.cut if how == "cut" else close)
    place = urlsplit(proxy.url)

    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    async with asyncio.timeout(10):
        with suppress(ConnectionResetError):
            assert await reader.read() == b""

    writer.close()
    await asyncio.gather(*closing)
    assert not proxy.relays


async def test_a_connection_that_is_accepted_when_all_ends_is_reset() -> None:
    proxy = await Proxy.start("redis://127.0.0.1:1/0")
    place = urlsplit(proxy.url)

    with socket.create_connection((place.hostname, place.port or 0), timeout=10) as client:
        # In the first turn of the loop it is accepted, in the third its transport would be made.
        for _ in range(2):
            await asyncio.sleep(0)
        await proxy.close()
        with suppress(ConnectionResetError):
            assert await asyncio.to_thread(client.recv, 1) == b""

    assert not proxy.relays
    gc.collect()  # A transport that nobody closed tells now.

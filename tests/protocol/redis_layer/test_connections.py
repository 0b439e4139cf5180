"""Connections by way of Sentinel: to the primary and nobody else, and to another one when there is another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from typing import Any

import hiredis
import pytest
import redis.exceptions
from redis.asyncio.connection import SSLConnection
from redis.connection import SSLConnection as BlockingSSLConnection

from tests.protocol.layer_harness import lease_info
from tests.support import redis_server as servers
from tests.support.sentinels import SERVICE, SentinelSet, sentinel_set, wait_for
from tests.support.waiting import until
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.messages import Effect
from trunkline.protocol.names import Keys, new_worker_id
from trunkline.protocol.redis_layer import RedisOperatorLayer, RedisSender, connections
from trunkline.protocol.redis_layer.lease_thread import LeaseThread
from trunkline.protocol.redis_layer.link import Link
from trunkline.protocol.redis_layout import Place
from trunkline.protocol.redis_url import places_of
from trunkline.protocol.settings import LayerSettings

NOBODY = "redis+sentinel://127.0.0.1:1/main"
TIMEOUT_S = 5.0


def place_of(url: str) -> Place:
    """The one Redis of a URL."""
    (place,) = places_of(url)
    return place


@pytest.fixture(scope="module")
def watched() -> Iterator[SentinelSet]:
    """A primary with one replica, watched by one Sentinel."""
    binary = servers.find_binary()
    if binary is None:
        pytest.fail(servers.MISSING, pytrace=False)
    with sentinel_set(binary, replicas=1, sentinels=1) as made:
        yield made


class FakeSentinel:
    """Tells what a test wants.

    Attributes:
        answer: to the question for the primary, as it goes over the wire.
        asked: how often.
    """

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.asked = 0
        self.port = 0
        self._open: set[asyncio.Event] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(ended := asyncio.Event())
        commands = hiredis.Reader()
        while data := await reader.read(65_536):
            commands.feed(data)
            while (command := commands.gets()) is not False:
                is_question = command[0] == b"SENTINEL"
                self.asked += is_question
                writer.write(self.answer if is_question else b"+OK\r\n")
        writer.close()
        await writer.wait_closed()
        ended.set()

    async def closed(self) -> None:
        """Waits until everybody has hung up."""
        for ended in self._open:
            await ended.wait()


@asynccontextmanager
async def fake_sentinel(answer: bytes) -> AsyncIterator[FakeSentinel]:
    fake = FakeSentinel(answer)
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        await fake.closed()


def told(port: int) -> bytes:
    """A Sentinel's answer that the primary is there."""
    return b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%d\r\n" % (len(str(port)), port)


def replica_of(watched: SentinelSet) -> int:
    """Its port."""
    return next(one.port for one in watched.redises if one is not watched.primary)


def settled(watched: SentinelSet) -> Callable[[], bool]:
    """Whether everybody follows the primary."""
    return lambda: all(
        one is watched.primary or one.is_replica_of(watched.primary.port) for one in watched.redises
    )


async def asked(place: Place, *command: str) -> Any:
    """The answer to one command, of a client for asyncio."""
    async with connections.client(place, "test", TIMEOUT_S) as client:
        ask: Any = client.execute_command
        return await ask(*command)


def asked_blocking(place: Place, *command: str) -> Any:
    """The same of one for threads."""
    with closing(connections.blocking_client(place, "test", TIMEOUT_S)) as client:
        ask: Any = client.execute_command
        return ask(*command)


@pytest.fixture(params=["asyncio", "blocking"])
def ask(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Asks one command on a new connection."""
    if request.param == "asyncio":
        return asked
    return lambda *args: asyncio.to_thread(asked_blocking, *args)


async def test_a_new_connection_is_to_the_primary(watched: SentinelSet, ask: Callable[..., Any]) -> None:
    info = await ask(place_of(watched.url), "INFO")
    assert info["tcp_port"] == watched.primary.port


async def test_after_a_fail_over_each_connection_finds_the_other_primary_by_itself(
    watched: SentinelSet,
) -> None:
    place = place_of(watched.url)
    ups: list[int] = []
    gone = asyncio.Event()

    async def up() -> None:
        _, port = await link.ask(["CONFIG", "GET", "port"])
        ups.append(int(port))

    link = Link(place, "test", up, gone.set)
    await link.open()
    async with connections.client(place, "test", TIMEOUT_S) as client:
        with closing(connections.blocking_client(place, "test", TIMEOUT_S)) as blocking:
            await client.set("key", "before")
            assert blocking.get("key") == b"before"

            await asyncio.to_thread(watched.fail_over)
            await asyncio.to_thread(wait_for, settled(watched), "the one of before is a replica")

            assert await client.set("key", "after")
            assert blocking.get("key") == b"after"
            assert blocking.set("key", "again")
    await asyncio.wait_for(gone.wait(), 30)
    port = watched.primary.port
    await until(lambda: port in ups, 30, "the link is up again, at the new primary")
    await link.close()


async def test_a_replica_that_a_sentinel_takes_for_the_primary_is_refused_and_another_sentinel_asked(
    watched: SentinelSet, ask: Callable[..., Any]
) -> None:
    async with fake_sentinel(told(replica_of(watched))) as wrong:
        with pytest.raises(
            redis.exceptions.ConnectionError, match=r"which was said to be the primary, is a replica"
        ):
            await ask(place_of(f"redis+sentinel://127.0.0.1:{wrong.port}/{SERVICE}"), "PING")

        before = wrong.asked
        right = f"127.0.0.1:{watched.sentinels[0].port}"
        assert await ask(place_of(f"redis+sentinel://127.0.0.1:{wrong.port},{right}/{SERVICE}"), "PING")
        assert wrong.asked == before + 1


async def test_where_no_sentinel_knows_each_is_named_with_what_it_said(ask: Callable[..., Any]) -> None:
    async with fake_sentinel(b"*-1\r\n") as ignorant, fake_sentinel(b"-NOAUTH who are you\r\n") as shy:
        hosts = f"127.0.0.1:{ignorant.port},127.0.0.1:{shy.port},127.0.0.1:1"
        with pytest.raises(LayerUnavailable) as refused:
            await ask(place_of(f"redis+sentinel://{hosts}/{SERVICE}"), "PING")

    text = str(refused.value)
    assert text.startswith(f"no Sentinel tells where the Redis {SERVICE!r} is: ")
    assert f"127.0.0.1:{ignorant.port}: it watches no such service; " in text
    assert f"127.0.0.1:{shy.port}: " in text and "who are you; " in text
    assert "127.0.0.1:1: " in text


async def test_the_sentinel_that_answered_is_asked_first_the_next_time(
    watched: SentinelSet, ask: Callable[..., Any]
) -> None:
    async with fake_sentinel(b"*-1\r\n") as ignorant:
        place = place_of(
            f"redis+sentinel://127.0.0.1:{ignorant.port},127.0.0.1:{watched.sentinels[0].port}/{SERVICE}"
        )
        async with connections.client(place, "test", TIMEOUT_S) as client:
            assert await client.get("nothing") is None
            await client.connection_pool.disconnect()
            assert await client.get("nothing") is None
    assert ignorant.asked == 1


async def test_a_primary_that_was_demoted_by_hand_is_left_at_the_first_write_it_refuses(
    watched: SentinelSet,
) -> None:
    """Sentinel cuts the clients of one that it demotes; a person may not."""
    place = place_of(watched.url)
    script = "return redis.call('SET', KEYS[1], 1)"
    primary = watched.primary
    async with connections.client(place, "test", TIMEOUT_S) as client:
        with closing(connections.blocking_client(place, "test", TIMEOUT_S)) as blocking:
            eval_: Any = client.eval
            blocking_eval: Any = blocking.eval
            await eval_(script, 1, "key")
            blocking_eval(script, 1, "key")
            with pytest.raises(redis.exceptions.ResponseError, match=r"(?i)unknown redis command"):
                await eval_("return redis.call('NOTHING')", 0)
            with pytest.raises(redis.exceptions.ResponseError, match=r"(?i)unknown redis command"):
                blocking_eval("return redis.call('NOTHING')", 0)
            primary.ask("REPLICAOF", "127.0.0.1", "1")
            try:
                refused = "no primary any more|is a replica"
                with pytest.raises(redis.exceptions.ConnectionError, match=refused):
                    await eval_(script, 1, "key")
                with pytest.raises(redis.exceptions.ConnectionError, match=refused):
                    blocking_eval(script, 1, "key")
                with pytest.raises(redis.exceptions.ConnectionError, match="is a replica"):
                    await client.get("key")
            finally:
                primary.ask("REPLICAOF", "NO", "ONE")
            await eval_(script, 1, "key")
            blocking_eval(script, 1, "key")
    wait_for(settled(watched), "the replica follows again")


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_with_tls_both_kinds_of_connections_speak_it(scheme: str) -> None:
    place = place_of(f"{scheme}+sentinel://u:p@127.0.0.1:1/main/3")
    blocking = connections.blocking_client(place, "test", TIMEOUT_S)
    for pool in (connections.pool(place), blocking.connection_pool):
        made: Any = pool.make_connection()
        assert (made.username, made.password, made.db) == ("u", "p", 3)
        assert isinstance(made, SSLConnection | BlockingSSLConnection) is (scheme == "rediss")
    blocking.close()


async def test_commands_are_told_who_is_the_primary(watched: SentinelSet) -> None:
    operator = RedisOperatorLayer(LayerSettings.model_validate({"redis_url": watched.url}))
    assert (await operator.server_info())["primary"] == f"127.0.0.1:{watched.primary.port}"
    await operator.close()


async def never_up() -> None:
    raise AssertionError("there is nothing to connect to")


async def test_what_cannot_find_its_redis_says_that_no_sentinel_tells(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = LayerSettings.model_validate({"redis_url": NOBODY})
    said = "no Sentinel tells where the Redis 'main' is: 127.0.0.1:1: "
    link = Link(settings.place, "test", never_up, lambda: None)
    with pytest.raises(LayerUnavailable, match=said):
        await link.open()
    await link.close()
    operator = RedisOperatorLayer(settings)
    with pytest.raises(LayerUnavailable, match=said):
        await operator.stats()
    await operator.close()
    sender = RedisSender(settings)
    nothing: list[Effect] = []
    with pytest.raises(LayerUnavailable, match=said):
        sender.apply(nothing)
    sender.close()
    info = lease_info(new_worker_id(), "worker")
    lease = LeaseThread(settings, settings.place, Keys(settings.prefix), info, lambda beat: None)
    with pytest.raises(LayerUnavailable, match=said):
        lease.first()
    lease._renew()
    assert said in caplog.text
    lease.stop()

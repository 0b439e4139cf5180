"""nginx and HAProxy, as the shipped files have them, in front of two interface servers and a worker."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.parts.proxies.app import FLOOD, FLOOD_BYTES, RETRY_AFTER
from tests.parts.proxies.programs import NAMES, Proxy
from tests.parts.proxies.scene import Scene, from_address
from tests.parts.proxies.slow import SlowClient
from tests.support.client_frames import RawClient, frame
from tests.support.load import Load
from tests.support.own_processes import pytest_runtest_makereport
from tests.support.redis_server import RedisServer
from tests.support.sockets import Client
from trunkline.interface.frames import TEXT

__all__ = ["pytest_runtest_makereport"]
pytestmark = [pytest.mark.parts, pytest.mark.timeout(150)]
CONNECTIONS = 100
MESSAGES = 40
PER_ADDRESS = 4
OUTBOUND_BYTES = 131_072
HANDSHAKE_TIMEOUT_S = 4
MOST_ASKED = 40
"""Floods of 5 MB each after which a client that does not read must have been noticed."""
FORGED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "Forwarded": "for=203.0.113.9;proto=https",
    "X-Real-IP": "203.0.113.9",
}


@pytest.fixture(scope="session")
def scene(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The cluster of all tests of this file."""
    flags = {
        "--connections-per-address": PER_ADDRESS,
        "--outbound-bytes": OUTBOUND_BYTES,
        "--handshake-timeout-s": HANDSHAKE_TIMEOUT_S,
    }
    words = [str(word) for pair in flags.items() for word in pair]
    running = Scene(redis_server, tmp_path_factory.mktemp("proxies"), *words)
    yield running
    running.end()


@pytest.fixture(params=NAMES)
async def proxy(scene: Scene, request: pytest.FixtureRequest) -> Proxy:
    """Each of the two."""
    return await scene.proxy(request.param)


async def slow_readers(scene: Scene) -> float:
    return sum(
        [await scene.processes.metric(item, "slow_readers_total") for item in scene.processes.interfaces]
    )


async def test_many_connections_hear_each_reply_once_and_in_order(scene: Scene, proxy: Proxy) -> None:
    async with Load([proxy.url], CONNECTIONS, MESSAGES, path="/echo/") as load:
        spread = [await scene.processes.metric(item, "connections") for item in scene.processes.interfaces]
        await load.finish(60.0)
        load.check()
        assert load.replies == CONNECTIONS * MESSAGES
    assert min(spread) >= CONNECTIONS / 4


async def test_handlers_see_the_clients_address_whatever_it_says_itself(proxy: Proxy) -> None:
    async with from_address("127.0.0.2") as client:
        async with client.ws_connect(f"{proxy.url}/who", headers=FORGED) as socket:
            seen = json.loads((await socket.receive()).data)
        async with client.post(f"{proxy.url}/show", data=b"body", headers=FORGED) as answer:
            asked = json.loads(await answer.text())
    headers = dict(map(tuple, asked["headers"]))

    assert (seen["client"][0], seen["scheme"]) == ("127.0.0.2", "ws")
    assert (asked["client"][0], asked["scheme"], asked["body"]) == ("127.0.0.2", "http", "body")
    assert (headers["x-forwarded-for"], headers["x-forwarded-proto"]) == ("127.0.0.2", "http")
    assert "forwarded" not in headers
    assert headers["host"] == urlsplit(proxy.url).netloc


async def test_tls_ends_at_the_proxy_and_handlers_are_told(scene: Scene, proxy: Proxy) -> None:
    context = ssl.create_default_context(cafile=str(scene.certificate.chain))
    async with Client() as client:
        echo = await client.open(f"{proxy.tls_url}/echo/a", ssl=context)
        await echo.send("secret")
        who = await client.open(f"{proxy.tls_url}/who", ssl=context, origin=proxy.tls_url)
        assert json.loads((await who.hears(1))[0])["scheme"] == "wss"
        assert await echo.hears(1) == ["secret"]


async def test_one_address_has_its_limit_behind_the_proxy_too(proxy: Proxy) -> None:
    async with from_address("127.0.0.3") as greedy, from_address("127.0.0.4") as other:
        opened: list[aiohttp.ClientWebSocketResponse] = []
        # Each interface server counts for itself.
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            while len(opened) <= 2 * PER_ADDRESS:
                opened.append(await greedy.ws_connect(f"{proxy.url}/echo/a", headers=FORGED))
        assert refused.value.status == 429
        assert refused.value.headers is not None and 1 <= int(refused.value.headers["Retry-After"]) <= 5
        assert PER_ADDRESS <= len(opened) <= 2 * PER_ADDRESS
        async with other.ws_connect(f"{proxy.url}/echo/a") as socket:
            await socket.send_str("let in")
            assert (await socket.receive()).data == "let in"
        for socket in opened:
            await socket.close()


async def test_a_client_that_reads_a_byte_at_a_time_is_closed_and_hears_no_broken_frame(
    scene: Scene, proxy: Proxy
) -> None:
    before = await slow_readers(scene)
    async with SlowClient(f"{proxy.url}/slow/close") as client, Client() as others:
        bystander = await others.open(f"{proxy.url}/echo/b")
        asked = 0
        while await slow_readers(scene) == before:
            await client.send(f"{asked}")
            asked += 1
            assert asked <= MOST_ASKED, "200 MB are on their way and nobody minds"
            await client.read_byte()
            await bystander.send(f"{asked}")
            await bystander.hears(asked, 30.0)
        await client.read_all()

    heard = client.messages()
    whole = [text.split() for text in heard if len(text) == FLOOD_BYTES]
    print(f"{proxy.process.name}: {len(client.taken)} bytes came of {asked * FLOOD * FLOOD_BYTES}")
    assert len(heard) - len(whole) <= 1
    assert [words[:2] for words in whole] == [[f"{n // FLOOD}", f"{n % FLOOD}"] for n in range(len(whole))]
    assert 0 < len(whole) < asked * FLOOD


async def test_what_a_slow_reader_may_lose_is_dropped_whole_and_the_newest_comes(
    scene: Scene, proxy: Proxy
) -> None:
    where = urlsplit(proxy.url)
    assert where.hostname is not None and where.port is not None

    async def dropped() -> float:
        counts = [
            await scene.processes.metric(item, 'drops_total{reason="outbound"')
            for item in scene.processes.interfaces
        ]
        return sum(counts)

    before = await dropped()
    async with RawClient(where.hostname, where.port) as client:
        await client.upgrade("/slow/latest_only")
        client.stop_reading()
        rounds = 0
        while await dropped() == before:
            client.send(frame(TEXT, f"{rounds}".encode()))
            rounds += 1
            assert rounds <= MOST_ASKED, "200 MB are on their way and nothing is dropped"
            # The next is sent when this one was handled: its messages are on their way then, or dropped.
            async with aiohttp.ClientSession() as session, session.get(f"{proxy.url}/count") as answer:
                await answer.read()
        client.read_on()
        heard: list[list[str]] = []
        while not heard or heard[-1] != [f"{rounds - 1}", f"{FLOOD - 1}"]:
            heard.append((await client.receive())[1].decode().split()[:2])
    numbers = [int(turn) * FLOOD + int(number) for turn, number in heard]
    assert numbers == sorted(set(numbers))
    assert len(numbers) < rounds * FLOOD


async def test_large_headers_pass_and_larger_ones_are_refused_in_front(proxy: Proxy) -> None:
    async with aiohttp.ClientSession() as client:
        for size, status in ((7000, 200), (40_000, 400)):
            async with client.get(f"{proxy.url}/show", headers={"Cookie": "c" * size}) as answer:
                assert answer.status == status, size
                if status == 200:
                    headers = dict(map(tuple, json.loads(await answer.text())["headers"]))
                    assert headers["cookie"] == "c" * size
        async with client.get(f"{proxy.url}/{'p' * 4000}") as answer:
            assert answer.status == 414
            assert "a path has at most 2048 bytes" in await answer.text()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(f"{proxy.url}/echo/a", headers={"Cookie": "c" * 40_000})
        assert refused.value.status == 400


async def test_an_answer_of_503_passes_with_its_retry_after_and_its_request_was_made_once(
    proxy: Proxy,
) -> None:
    async with aiohttp.ClientSession() as client:

        async def counted() -> int:
            async with client.get(f"{proxy.url}/count") as answer:
                return int(await answer.text())

        before = await counted()
        for method in ("GET", "POST"):
            async with client.request(method, f"{proxy.url}/busy") as answer:
                assert (answer.status, answer.headers["Retry-After"], await answer.text()) == (
                    503,
                    RETRY_AFTER,
                    "busy",
                )
        assert await counted() == before + 2


async def test_a_handshake_that_nobody_answers_is_refused_by_the_server_and_not_by_the_proxy(
    proxy: Proxy,
) -> None:
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(f"{proxy.url}/never")
    headers: Any = refused.value.headers
    assert refused.value.status == 503
    assert 1 <= int(headers["Retry-After"]) <= 5


async def test_methods_that_are_for_proxies_do_not_pass(proxy: Proxy) -> None:
    async with aiohttp.ClientSession() as client, client.request("TRACE", f"{proxy.url}/show") as answer:
        assert answer.status == 405
        assert answer.headers.get("Server") != "trunkline"


@pytest.mark.parametrize("upgrade", ["h2c", "foo"])
async def test_upgrades_to_other_protocols_are_not_passed_on(proxy: Proxy, upgrade: str) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": upgrade}
    async with aiohttp.ClientSession() as client, client.get(f"{proxy.url}/show", headers=headers) as answer:
        seen = dict(map(tuple, json.loads(await answer.text())["headers"]))
    assert "upgrade" not in seen

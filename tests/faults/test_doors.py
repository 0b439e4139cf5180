"""A process that is told where Redis is, by Sentinel or by a node of a cluster, is told of its proxy's doors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from tests.faults.proxy import Proxy
from trunkline.protocol.redis_layer.packing import pack


class Told:
    """A server that answers every request with what it was given, whole in one read."""

    def __init__(self) -> None:
        self.answer = b""
        self.port = 0
        self._server: asyncio.Server

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            writer.write(self.answer)
        writer.close()

    async def close(self) -> None:
        self._server.close()
        await self._server.wait_closed()


@pytest.fixture
async def told() -> AsyncIterator[Told]:
    made = Told()
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def proxy(told: Told) -> AsyncIterator[Proxy]:
    made = await Proxy.before_all(f"redis+cluster://127.0.0.1:{told.port}/main", [told.port])
    yield made
    await made.close()


def door_of(proxy: Proxy) -> int:
    port = urlsplit(proxy.url).port
    assert port is not None
    return port


async def ask(proxy: Proxy, *words: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", door_of(proxy))
    writer.write(pack(words))
    async with asyncio.timeout(10):
        answer = await reader.read(65_536)
    writer.transport.abort()
    return answer


async def test_its_url_names_the_door(proxy: Proxy, told: Told) -> None:
    assert door_of(proxy) != told.port
    assert proxy.url == f"redis+cluster://127.0.0.1:{door_of(proxy)}/main"


@pytest.mark.parametrize("stranger", [b"1", b"16383"])
async def test_a_node_tells_of_the_door(proxy: Proxy, told: Told, stranger: bytes) -> None:
    answer = b"*1\r\n*3\r\n:0\r\n:%b\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n"
    told.answer = answer % (stranger, told.port)

    assert await ask(proxy, "CLUSTER", "SLOTS") == answer % (stranger, door_of(proxy))


async def test_a_sentinel_tells_of_the_door(proxy: Proxy, told: Told) -> None:
    told.answer = b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%d\r\n" % (len(str(told.port)), told.port)

    said = await ask(proxy, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")

    door = str(door_of(proxy)).encode()
    assert said == b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%b\r\n" % (len(door), door)


async def test_what_is_no_address_passes_as_it_is(proxy: Proxy, told: Told) -> None:
    told.answer = b":%d\r\n" % told.port

    assert await ask(proxy, "GET", "a key") == told.answer

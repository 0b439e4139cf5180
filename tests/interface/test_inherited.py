"""An interface server on sockets that outlive it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import aiohttp

from tests.interface.conftest import settings
from tests.support.fake_layer import FakeLayer, echo
from trunkline.interface.server import InterfaceServer
from trunkline.protocol.names import REQUEST


def server(*inherited: socket.socket) -> InterfaceServer:
    """One that listens on copies, as a process that was handed sockets does."""
    copies = [item.dup() for item in inherited]
    return InterfaceServer(settings(port=1), lambda: FakeLayer(echo), inherited=copies)


async def answered(connector: aiohttp.BaseConnector | None, url: str) -> bytes:
    async with aiohttp.ClientSession(connector=connector) as client, client.post(url, data=b"b") as response:
        return await response.read()


async def test_every_inherited_socket_is_listened_on_and_stays_open(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.create_server(("127.0.0.1", 0)) as first, socket.socket(socket.AF_UNIX) as second:
        second.bind(path)
        second.listen()
        url = f"http://127.0.0.1:{first.getsockname()[1]}/"
        for _ in range(2):
            running = server(first, second)
            try:
                assert await running.start() == [url[:-1], f"http+unix://{path}"]
                assert await answered(None, url) == b"b"
                assert await answered(aiohttp.UnixConnector(path), "http://x/") == b"b"
            finally:
                await running.close()
            # A path that was taken away would let nobody in the second time.


async def test_who_comes_between_two_servers_waits_for_the_next() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        first = server(held)
        await first.start()
        await first.drain()
        with socket.create_connection(held.getsockname()) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            client.setblocking(False)
            second = server(held)
            await second.start()
            try:
                said = await asyncio.get_running_loop().sock_recv(client, 100)
            finally:
                await second.close()
    assert said.startswith(b"HTTP/1.1 200")


async def test_messages_name_the_first_inherited_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        layer = FakeLayer(echo)
        running = InterfaceServer(settings(), lambda: layer, inherited=[held.dup()])
        await running.start()
        try:
            await answered(None, f"http://127.0.0.1:{held.getsockname()[1]}/")
        finally:
            await running.close()
        assert (await layer.entry(REQUEST)).events[0]["server"] == list(held.getsockname())

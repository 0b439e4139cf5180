"""Ten thousand clients that begin a handshake and say no more."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from tests.support.load import Load
from tests.support.processes import Processes

COUNT = 10_000
AT_ONCE = 250
"""Fewer than the interface's backlog: what is measured is not the kernel's patience."""
REQUEST_TIMEOUT_S = 10.0
HALF_A_HANDSHAKE = b"GET /echo/half HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nX-Slow"


@pytest.fixture
def many_files() -> Iterator[None]:
    """Lets this process open so many sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = COUNT + 1000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"needs {wanted} file descriptors, the hard limit is {hard} (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def half_open(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    client = socket.socket()
    client.setblocking(False)
    await loop.sock_connect(client, (host, port))
    await loop.sock_sendall(client, HALF_A_HANDSHAKE)
    return client


async def hung_up(client: socket.socket) -> None:
    """Waits until the server has closed it, with or without an answer before."""
    with suppress(ConnectionError):
        while await asyncio.get_running_loop().sock_recv(client, 1000):
            pass


@pytest.mark.usefixtures("many_files")
async def test_half_open_handshakes_disturb_nobody_and_are_hung_up_on(cluster: Processes) -> None:
    cluster.interface("--request-timeout-s", str(REQUEST_TIMEOUT_S))
    cluster.worker()
    await cluster.ready()
    address = cluster.interfaces[0].address
    where = urlsplit(address)
    assert where.hostname is not None and where.port is not None
    clients: list[socket.socket] = []

    try:
        async with Load([address], 20, pace_s=0.02) as load:
            for _ in range(0, COUNT, AT_ONCE):
                clients += await asyncio.gather(
                    *(half_open(where.hostname, where.port) for _ in range(AT_ONCE))
                )
            opened_s = asyncio.get_running_loop().time()
            async with Load([address], 20, 20) as late:
                await late.finish()
            late.check()
            await load.goes_on(200)
            async with asyncio.timeout(REQUEST_TIMEOUT_S + 20):
                await asyncio.gather(*map(hung_up, clients))
            await load.finish()

            assert load.closed() == {}
            assert load.seconds(since_s=opened_s)[-1] < 2.0
        load.check()
    finally:
        for client in clients:
            client.close()

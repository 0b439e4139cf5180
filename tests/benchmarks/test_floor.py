"""The floor in a group: a server with nothing behind it, but none that one member can hold up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from benchmarks.fan_out import SLOW_BUFFER_BYTES
from benchmarks.floor import Groups
from tests.support.client_frames import RawClient
from tests.support.waiting import until

SIZE = 8192
MESSAGES = 1000
"""More than all buffers of the kernel between two sockets take (``tcp_wmem``: 4 MiB)."""


@asynccontextmanager
async def sweeping(groups: Groups) -> AsyncIterator[None]:
    sweep = asyncio.create_task(groups.cut_off_who_reads_nothing())
    try:
        yield
    finally:
        sweep.cancel()


@pytest.mark.timeout(60)
async def test_a_member_that_reads_nothing_is_cut_off_and_holds_nobody_up() -> None:
    app = web.Application()
    groups = Groups()
    app.router.add_get("/group/{name}", groups.join)
    async with sweeping(groups), TestServer(app) as server, aiohttp.ClientSession() as client:
        assert server.port is not None
        async with RawClient(server.host, server.port) as slow:
            await slow.upgrade("/group/a")
            slow.stop_reading()
            raw = slow.writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER_BYTES)
            async with client.ws_connect(server.make_url("/group/a")) as reader:
                async with asyncio.timeout(30):
                    for number in range(MESSAGES):
                        await reader.send_str(f"{number}".ljust(SIZE))
                        assert int(await reader.receive_str()) == number
                await until(lambda: len(groups._members["a"]) == 1)

"""Ends servers of the tests' own loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


async def accept_no_more(servers: Iterable[asyncio.Server]) -> None:
    """Closes servers when what they have accepted is made: asyncio forgets a connection whose server was closed between
    the two, without closing it."""
    servers = list(servers)
    loop = asyncio.get_running_loop()
    for server in servers:
        for door in server.sockets:
            loop.remove_reader(door.fileno())
    # In the first turn of the loop its transport is made, in the second its protocol hears of it.
    for _ in range(2):
        await asyncio.sleep(0)
    for server in servers:
        server.close()

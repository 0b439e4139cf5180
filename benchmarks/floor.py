"""The floor: what the same work costs in one process with nothing behind it. A bare aiohttp server on uvloop."""

from __future__ import annotations

import asyncio
from typing import Final

import uvloop
from aiohttp import WSMsgType, web

MOST_WAITING_BYTES: Final = 32_768
"""What a member may not have read: `send_str` waits for one who has more than 64 KiB, and everybody with it."""
SWEEP_S: Final = 0.1
"""Between two looks at that. Beside each message it would cost a tenth of the message."""


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Sends each message back."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
    return socket


class Groups:
    """Connections by group."""

    def __init__(self) -> None:
        self._members: dict[str, set[web.WebSocketResponse]] = {}
        self._transports: set[asyncio.Transport] = set()

    async def join(self, request: web.Request) -> web.WebSocketResponse:
        """Sends each message to every member of the path's group."""
        socket = web.WebSocketResponse(compress=False)
        # A member before the handshake's answer is out: then it misses nothing that is sent after it.
        members = self._members.setdefault(request.match_info["name"], set())
        members.add(socket)
        transport = request.transport
        assert transport is not None
        self._transports.add(transport)
        try:
            await socket.prepare(request)
            async for message in socket:
                for member in tuple(members):
                    try:  # And no `suppress`, which would be made for each delivery.
                        await member.send_str(message.data)
                    except ConnectionError:
                        continue
        finally:
            members.discard(socket)
            self._transports.discard(transport)
        return socket

    async def cut_off_who_reads_nothing(self) -> None:
        """Runs beside the server until it is cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            for transport in self._transports:
                if transport.get_write_buffer_size() > MOST_WAITING_BYTES:
                    transport.abort()


async def serve() -> None:
    """Runs until the process is ended."""
    app = web.Application()
    app.router.add_get("/echo", echo)
    groups = Groups()
    app.router.add_get("/group/{name}", groups.join)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"listening address=http://{host}:{port}", flush=True)
    await groups.cut_off_who_reads_nothing()


if __name__ == "__main__":
    uvloop.run(serve())

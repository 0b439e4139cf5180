"""The floor: what the same work costs in one process with nothing behind it. A bare aiohttp server on uvloop."""

from __future__ import annotations

import asyncio

import uvloop
from aiohttp import WSMsgType, web


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

    async def join(self, request: web.Request) -> web.WebSocketResponse:
        """Sends each message to every member of the path's group."""
        socket = web.WebSocketResponse(compress=False)
        # A member before the handshake's answer is out: then it misses nothing that is sent after it.
        members = self._members.setdefault(request.match_info["name"], set())
        members.add(socket)
        try:
            await socket.prepare(request)
            async for message in socket:
                for member in tuple(members):
                    await member.send_str(message.data)
        finally:
            members.discard(socket)
        return socket


async def serve() -> None:
    """Runs until the process is ended."""
    app = web.Application()
    app.router.add_get("/echo", echo)
    app.router.add_get("/group/{name}", Groups().join)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"listening address=http://{host}:{port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())

"""The handlers of the workloads for python-socketio; ``BENCH_REDIS`` names the Redis of its manager, if it has one.

Events: ``m`` is a message. Before it ``join`` names a room, whose members get the message then; ``work`` says what is
done before the answer.
"""

from __future__ import annotations

import asyncio
import os
import time

import socketio

WORK_S = 0.002

redis_url = os.environ.get("BENCH_REDIS")
server = socketio.AsyncServer(
    async_mode="asgi",
    transports=["websocket"],
    client_manager=socketio.AsyncRedisManager(redis_url) if redis_url else None,
    logger=False,
    engineio_logger=False,
)
application = socketio.ASGIApp(server)

rooms: dict[str, str] = {}
works: dict[str, str] = {}


@server.event
async def connect(sid: str, environ: dict[str, object], auth: object) -> bool:
    """Takes every connection."""
    return True


@server.event
async def join(sid: str, room: str) -> None:
    """Makes the connection a member of a room."""
    await server.enter_room(sid, room)
    rooms[sid] = room
    await server.emit("done", to=sid)


@server.event
async def work(sid: str, what: str) -> None:
    """Sets what the connection's messages shall take."""
    works[sid] = what
    await server.emit("done", to=sid)


@server.event
async def m(sid: str, text: str) -> None:
    """Sends a message back, or to every member of the connection's room."""
    what = works.get(sid)
    if what == "sleep":
        await asyncio.sleep(WORK_S)
    elif what == "burn":
        until = time.thread_time() + WORK_S
        while time.thread_time() < until:
            pass
    await server.emit("m", text, to=rooms.get(sid, sid))


@server.event
async def disconnect(sid: str, reason: str) -> None:
    """Forgets the connection; the server has taken it out of its rooms."""
    rooms.pop(sid, None)
    works.pop(sid, None)

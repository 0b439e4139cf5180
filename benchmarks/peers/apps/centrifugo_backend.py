"""The handlers of the workloads behind Centrifugo, which calls them over HTTP.

``BENCH_API`` is the address of Centrifugo's own API.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import ClientSession, web
from announced import serve

WORK_S = 0.002

API: web.AppKey[ClientSession] = web.AppKey("api", ClientSession)


async def connect(request: web.Request) -> web.Response:
    """Decides on a connection: it becomes a member of the room that it names, if it names one."""
    room = (json.loads(await request.read()).get("data") or {}).get("room")
    result: dict[str, Any] = {"user": ""}
    if room is not None:
        result |= {"channels": [room], "meta": {"room": room}}
    return web.json_response({"result": result})


async def call(request: web.Request) -> web.Response:
    """A message; the method says what is done with it."""
    body = json.loads(await request.read())
    method = body["method"]
    if method == "tell":
        message = {"channel": body["meta"]["room"], "data": body["data"]}
        async with request.app[API].post("/api/publish", json=message) as answer:
            answer.raise_for_status()
        return web.json_response({"result": {}})
    if method == "sleep":
        await asyncio.sleep(WORK_S)
    elif method == "burn":
        until = time.thread_time() + WORK_S
        while time.thread_time() < until:
            pass
    return web.json_response({"result": {"data": body["data"]}})


async def with_api(app: web.Application) -> AsyncIterator[None]:
    """Keeps connections to the API open."""
    async with ClientSession(os.environ["BENCH_API"]) as session:
        app[API] = session
        yield


if __name__ == "__main__":
    application = web.Application()
    application.add_routes([web.post("/connect", connect), web.post("/rpc", call)])
    application.cleanup_ctx.append(with_api)
    serve(application)

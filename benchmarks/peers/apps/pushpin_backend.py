"""The handlers of the workloads behind Pushpin, which turns what happens on a WebSocket into HTTP requests.

A body is a row of events, ``TEXT 5\\r\\nhello\\r\\n`` with the length in hexadecimal, or ``OPEN\\r\\n``; the answer's
body is what is sent. ``BENCH_PUBLISH`` is the address that takes publications.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator

from aiohttp import ClientSession, web
from announced import serve

WORK_S = 0.002
HEADERS = {"Content-Type": "application/websocket-events"}
GRIP = {**HEADERS, "Sec-WebSocket-Extensions": "grip"}
"""With this in the answer to OPEN, texts may be orders to Pushpin: those that begin with ``c:``."""

PUBLISH: web.AppKey[ClientSession] = web.AppKey("publish", ClientSession)


def events(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of the events of a body."""
    at = 0
    while at < len(body):
        end = body.index(b"\r\n", at)
        kind, _, size = body[at:end].partition(b" ")
        at = end + 2
        content = b""
        if size:
            content = body[at : at + int(size, 16)]
            at += len(content) + 2
        yield kind, content


def text(content: bytes) -> bytes:
    """The event of a text frame."""
    return b"TEXT %x\r\n%s\r\n" % (len(content), content)


async def echo(request: web.Request) -> web.Response:
    """Takes every connection and sends every text back; the path's last word says what is done before."""
    answer = []
    for kind, content in events(await request.read()):
        if kind == b"OPEN":
            answer.append(b"OPEN\r\n")
        elif kind == b"TEXT":
            if request.path == "/sleep":
                await asyncio.sleep(WORK_S)
            elif request.path == "/burn":
                until = time.thread_time() + WORK_S
                while time.thread_time() < until:
                    pass
            answer.append(text(content))
    return web.Response(body=b"".join(answer), headers=HEADERS)


async def group(request: web.Request) -> web.Response:
    """Makes a connection a member of the path's group, and publishes every text to it."""
    name = request.match_info["name"]
    answer = []
    for kind, content in events(await request.read()):
        if kind == b"OPEN":
            order = json.dumps({"type": "subscribe", "channel": name}).encode()
            answer += [b"OPEN\r\n", text(b"c:" + order)]
        elif kind == b"TEXT":
            item = {"channel": name, "formats": {"ws-message": {"content": content.decode()}}}
            async with request.app[PUBLISH].post("/publish/", json={"items": [item]}) as done:
                done.raise_for_status()
    return web.Response(body=b"".join(answer), headers=GRIP if answer else HEADERS)


async def with_publish(app: web.Application) -> AsyncIterator[None]:
    """Keeps connections to Pushpin open."""
    async with ClientSession(os.environ["BENCH_PUBLISH"]) as session:
        app[PUBLISH] = session
        yield


if __name__ == "__main__":
    application = web.Application()
    application.add_routes(
        [
            web.post("/echo", echo),
            web.post("/sleep", echo),
            web.post("/burn", echo),
            web.post("/group/{name}", group),
        ]
    )
    application.cleanup_ctx.append(with_publish)
    serve(application)

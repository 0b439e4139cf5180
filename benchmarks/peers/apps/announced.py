"""Serves an aiohttp application on uvloop, as the floor does, and says where."""

from __future__ import annotations

import asyncio

import uvloop
from aiohttp import web


def serve(app: web.Application) -> None:
    """Serves until the process is ended."""
    uvloop.run(_serve(app))


async def _serve(app: web.Application) -> None:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    host, port = runner.addresses[0][:2]
    print(f"listening address=http://{host}:{port}", flush=True)
    await asyncio.Event().wait()

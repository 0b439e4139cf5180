"""``trunkline top``: a running cluster in a terminal, again and again."""

from __future__ import annotations

import asyncio
import contextlib

from rich.console import Console
from rich.live import Live

from trunkline.protocol.errors import ConfigError
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.process.facts.gatherer import Gatherer
from trunkline.protocol.redis_layer import shards
from trunkline.protocol.settings import LayerSettings
from trunkline.protocol.sharding.asking import WATCH_S

from .failures import refuse
from .running import guessed, layer_settings
from .settings import TopSettings
from .top_frame import frame


def run(settings: TopSettings) -> int:
    """Shows frames until Ctrl-C, or one."""
    try:
        layer = layer_settings(settings.run_dir, settings)
        guess = guessed(settings.run_dir, settings)
    except ConfigError as error:
        return refuse("top", error, ExitCode.FAILED)
    console = Console(highlight=False)
    if guess and asyncio.run(_away(layer)):
        return refuse("top", guess, ExitCode.NO_REDIS)
    if settings.once:
        return asyncio.run(_once(layer, settings.interval_s, console))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_watch(layer, settings.interval_s, console))
    return ExitCode.OK


async def _once(layer: LayerSettings, interval_s: float, console: Console) -> int:
    async with contextlib.AsyncExitStack() as ends:
        gatherer = _gatherer(layer, ends)
        facts = await gatherer.look()
        if not facts.unavailable:
            await asyncio.sleep(interval_s)
            facts = await gatherer.look()
        console.print(frame(facts))
    return ExitCode.NO_REDIS if facts.unavailable else ExitCode.OK


async def _away(layer: LayerSettings) -> bool:
    """Whether no Redis answers."""
    async with contextlib.AsyncExitStack() as ends:
        return bool((await _gatherer(layer, ends).look()).unavailable)


async def _watch(layer: LayerSettings, interval_s: float, console: Console) -> None:
    async with contextlib.AsyncExitStack() as ends:
        gatherer = _gatherer(layer, ends)
        loop = asyncio.get_running_loop()
        # On a terminal a frame takes the place of the one before; elsewhere, as in a pipe, each is printed.
        live = Live(console=console, screen=True, auto_refresh=False) if console.is_terminal else None
        with live or contextlib.nullcontext():
            while True:
                next_s = loop.time() + interval_s
                facts = await gatherer.look()
                if live is not None:
                    live.update(frame(facts, console.height), refresh=True)
                else:
                    console.print(frame(facts))
                await asyncio.sleep(max(0.0, next_s - loop.time()))


def _gatherer(layer: LayerSettings, ends: contextlib.AsyncExitStack) -> Gatherer:
    operator = shards.operator_layer(layer, WATCH_S)
    ends.push_async_callback(operator.close)
    gatherer = Gatherer(operator)
    ends.push_async_callback(gatherer.close)
    return gatherer

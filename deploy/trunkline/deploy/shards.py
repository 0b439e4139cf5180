"""``trunkline shards``: the shards of a cluster, who is on each, and how many of them newcomers use.

More while it lives, fewer while it stands still: see docs/shards.md.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from trunkline.protocol.errors import ConfigError, LayerUnavailable
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.messages import ClusterStats
from trunkline.protocol.redis_layer import RedisOperatorLayer
from trunkline.protocol.redis_layer import shards as redis_shards
from trunkline.protocol.redis_layer.layout import RedisLayout
from trunkline.protocol.settings import LayerSettings
from trunkline.protocol.sharding.asking import Answers, ask_each, said
from trunkline.protocol.sharding.layout import holds, missing, wrong_number

from .failures import refuse
from .running import layer_settings
from .settings import ShardsSettings

_STANDS_STILL = (
    "processes live, and a shard is taken out while none does: stop them all ('trunkline down', or SIGTERM); one that "
    "was killed counts until its lease ends, within seconds"
)
_EMPTY = (
    "it is taken out when that is handled: stop the interface servers and let workers run until 'trunkline shards' "
    "shows nothing queued; 'trunkline dead redrive' or 'drop' empties the dead letters"
)


def run(settings: ShardsSettings) -> int:
    """Shows the shards, or changes how many newcomers use."""
    try:
        return asyncio.run(_run(settings))
    except ConfigError as error:
        return refuse("shards", error, ExitCode.USAGE)
    except LayerUnavailable as error:
        return refuse("shards", error, ExitCode.NO_REDIS)


async def _run(settings: ShardsSettings) -> int:
    layer = layer_settings(settings.run_dir, settings)
    layout = redis_shards.layout(layer)
    try:
        used, away = await layout.agree_with_some()
        if settings.use is not None:
            if away:
                raise LayerUnavailable(f"--use {settings.use}: every shard has to take note; {said(away)}")
            if wrong := wrong_number(redis_shards.count(layer), settings.use):
                raise ConfigError(wrong)
            change = _give_up if settings.use < used else _use
            return await change(layer, layout, used, settings.use)
        shown = await _shown(layer, used)
    finally:
        await layout.close()
    print(json.dumps(shown, indent=2) if settings.as_json else "\n".join(_table(shown)))
    silent = {one["shard"]: one["error"] for one in shown["shards"] if "error" in one}
    return refuse("shards", said(silent), ExitCode.NO_REDIS) if silent else ExitCode.OK


async def _use(layer: LayerSettings, layout: RedisLayout, used: int, wanted: int) -> int:
    # Written first: a process that starts from now on with fewer shards is refused, and those that started before are
    # seen here.
    await layout.use(wanted)
    absent = missing((await _all_stats(layer))[:wanted])
    if absent:
        await layout.use(used)
        return refuse(
            "shards",
            f"not all processes are on all of {wanted} shards, so newcomers go on to use {used}: first start these "
            f"again, with the URLs of all shards: {'; '.join(absent)}",
            ExitCode.FAILED,
        )
    print(f"newcomers use {wanted} shards")
    return ExitCode.OK


async def _give_up(layer: LayerSettings, layout: RedisLayout, used: int, wanted: int) -> int:
    """Takes the last shards out of a deployment that stands still, and of which they hold nothing."""
    stats, unburied = await _all_stats(layer), await layout.unburied()
    kept = {shard: holds(stats[shard], unburied[shard]) for shard in range(wanted, used)}
    if any(kept.values()):
        told = "; ".join(f"shard {shard} holds {what}" for shard, what in kept.items() if what)
        return refuse("shards", f"{told}: {_EMPTY}", ExitCode.FAILED)
    # Written first, as above: whoever takes a lease from now on is seen, or reads the new number.
    await layout.use(wanted)
    if await layout.alive():
        await layout.use(used)
        return refuse("shards", _STANDS_STILL, ExitCode.FAILED)
    await layout.forget(wanted)
    print(f"newcomers use {_counted(wanted)}: start every process with {_urls(wanted)} from now on")
    return ExitCode.OK


async def _ask_each(layer: LayerSettings) -> Answers[ClusterStats]:
    sides = {shard: RedisOperatorLayer(layer, shard) for shard in range(redis_shards.count(layer))}
    try:
        return await ask_each(sides, lambda side: side.stats(), places=redis_shards.places(layer))
    finally:
        for side in sides.values():
            await side.close()


async def _all_stats(layer: LayerSettings) -> list[ClusterStats]:
    answers = await _ask_each(layer)
    if answers.away:
        raise LayerUnavailable(said(answers.away))
    return list(answers.told.values())


async def _shown(layer: LayerSettings, used: int) -> dict[str, Any]:
    answers = await _ask_each(layer)
    return {
        "used": used,
        "shards": [
            {"shard": shard, "url": url, "used": shard < used}
            | (_figures(answers.told[shard]) if shard in answers.told else {"error": answers.away[shard]})
            for shard, url in enumerate(redis_shards.places(layer))
        ],
    }


def _figures(stats: ClusterStats) -> dict[str, Any]:
    return {
        "interfaces": len(stats.interfaces),
        "workers": len(stats.workers),
        "queued": sum(channel.length for channel in stats.channels),
        "dead_letters": stats.dead_letters,
    }


def _table(shown: dict[str, Any]) -> list[str]:
    lines = [f"{'SHARD':>5} {'USED':5} {'INTERFACES':>10} {'WORKERS':>8} {'QUEUED':>8} {'DEAD':>6}  REDIS"]
    for one in shown["shards"]:
        figures = [one.get(name, "-") for name in ("interfaces", "workers", "queued", "dead_letters")]
        lines.append(
            f"{one['shard']:>5} {'yes' if one['used'] else 'no':5} {figures[0]:>10} {figures[1]:>8} "
            f"{figures[2]:>8} {figures[3]:>6}  {one['url']}" + ("  does not answer" if "error" in one else "")
        )
    return lines


def _counted(number: int) -> str:
    return "1 shard" if number == 1 else f"{number} shards"


def _urls(number: int) -> str:
    return "the first URL alone" if number == 1 else f"the first {number} URLs alone"

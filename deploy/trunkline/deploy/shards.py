"""``trunkline shards``: the shards of a cluster, who is on each, and how many of them newcomers use."""

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
from trunkline.protocol.redis_url import without_secrets
from trunkline.protocol.settings import LayerSettings
from trunkline.protocol.sharding.layout import missing, wrong_number

from .failures import refuse
from .running import layer_settings
from .settings import ShardsSettings


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
        used = await layout.agree()
        if settings.use is not None:
            return await _use(layer, layout, used, settings.use)
        shown = await _shown(layer, used)
    finally:
        await layout.close()
    print(json.dumps(shown, indent=2) if settings.as_json else "\n".join(_table(shown)))
    return ExitCode.OK


async def _use(layer: LayerSettings, layout: RedisLayout, used: int, wanted: int) -> int:
    if wrong := wrong_number(used, redis_shards.count(layer), wanted):
        raise ConfigError(wrong)
    # Written first: a process that starts from now on with fewer shards is refused, and those that started before are
    # seen here.
    await layout.use(wanted)
    absent = missing((await _stats(layer))[:wanted])
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


async def _stats(layer: LayerSettings) -> list[ClusterStats]:
    found = []
    for shard in range(len(layer.places)):
        side = RedisOperatorLayer(layer, shard)
        try:
            found.append(await side.stats())
        finally:
            await side.close()
    return found


async def _shown(layer: LayerSettings, used: int) -> dict[str, Any]:
    return {
        "used": used,
        "shards": [
            {
                "shard": shard,
                "url": without_secrets(place.url),
                "used": shard < used,
                "interfaces": len(stats.interfaces),
                "workers": len(stats.workers),
                "queued": sum(channel.length for channel in stats.channels),
                "dead_letters": stats.dead_letters,
            }
            for shard, (place, stats) in enumerate(zip(layer.places, await _stats(layer), strict=True))
        ],
    }


def _table(shown: dict[str, Any]) -> list[str]:
    lines = [f"{'SHARD':>5} {'USED':5} {'INTERFACES':>10} {'WORKERS':>8} {'QUEUED':>8} {'DEAD':>6}  REDIS"]
    for one in shown["shards"]:
        lines.append(
            f"{one['shard']:>5} {'yes' if one['used'] else 'no':5} {one['interfaces']:>10} {one['workers']:>8} "
            f"{one['queued']:>8} {one['dead_letters']:>6}  {one['url']}"
        )
    return lines

"""Leaks: what stands in Redis when every connection is closed, and belongs to nobody who is alive."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trunkline.protocol.names import Keys

_EMPTY_KINDS = ("session", "group", "connections", "groups", "barrier")
"""Kinds of keys of which there may be none."""
_HASHES_OF_PROCESSES = ("info", "published", "applied", "anew")
_NONE_LEFT = ("dead-workers", "reaping", "delayed", "resting")


async def leaks(data: Any, keys: Keys, alive: set[str]) -> list[str]:
    """Finds them.

    Args:
        data: the bare Redis.
        keys: of the shard.
        alive: ids of the processes that are.
    """
    found = [key.decode() async for key in data.scan_iter(match=f"{keys.base}*", count=1000)]
    names = [key.removeprefix(keys.base) for key in found]
    left = [name for name in names if name.partition(":")[0] in _EMPTY_KINDS and ":" in name]
    left += [
        name for name in names if name.startswith("mailbox:") and name.removeprefix("mailbox:") not in alive
    ]
    for name in _HASHES_OF_PROCESSES:
        fields = [field.decode() for field in await data.hkeys(keys.base + name)]
        left += [f"{name} of {one}" for one in _strangers(fields, alive)]
    for role in ("interface", "worker"):
        ids = [one.decode() for one in await data.zrange(keys.leases(role), 0, -1)]
        left += [f"lease of {one}" for one in _strangers(ids, alive)]
    for name in _NONE_LEFT:
        if count := await data.zcard(keys.base + name):
            left.append(f"{count} in {name}")
    for name in names:
        if name.startswith("stream:"):
            left += [f"{name}: {line}" for line in await _of_stream(data, keys, keys.base + name, alive)]
    if letters := await data.xlen(keys.dead()):
        left.append(f"{letters} dead letters")
    return left


def _strangers(ids: Iterable[str], alive: set[str]) -> list[str]:
    return [one for one in ids if one.partition("!")[0] not in alive]


async def _of_stream(data: Any, keys: Keys, stream: str, alive: set[str]) -> list[str]:
    left = []
    if length := await data.xlen(stream):
        left.append(f"{length} entries")
    for group in await data.xinfo_groups(stream):
        if group["pending"]:
            left.append(f"{group['pending']} pending")
        for consumer in await data.xinfo_consumers(stream, group["name"].decode()):
            name = consumer["name"].decode()
            if name not in alive and name != "returned":
                left.append(f"consumer {name}")
    return left

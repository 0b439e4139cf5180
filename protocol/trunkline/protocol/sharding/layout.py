"""The layout: which shards a deployment has, and how many of them newcomers use. Pure.

Each shard holds a record of it, so that a process which is told of other shards than the rest, or in another order, is
refused before it does anything. A process may know more shards than newcomers use: that is how shards are added to a
live system (docs/shards.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..errors import ConfigError, LayerUnavailable
from ..messages import ClusterStats
from .asking import said


class Record(NamedTuple):
    """What a shard holds.

    Attributes:
        id: of the layout, random, the same on all of its shards.
        shard: which one it is.
        used: how many shards newcomers use, counted from the first.
    """

    id: str
    shard: int
    used: int


class Found(NamedTuple):
    """What a process finds where it was told that a shard is.

    Attributes:
        where: for people, without secrets.
        records: of the shards that are there, by the number in their keys; more than one if they share a Redis.
        living: whether a process holds a lease on the shard.
        away: why nothing is known of it; empty if it answers.
    """

    where: str
    records: Mapping[int, Record] = {}
    living: bool = False
    away: str = ""


def agreed(found: Sequence[Found], fresh_id: str) -> list[Record]:
    """The record that each shard must hold.

    Args:
        found: of each shard, in the order of their numbers.
        fresh_id: for a layout that begins now.

    Raises:
        ConfigError: the process was told of other shards than the rest.
        LayerUnavailable: shards are away, and no other has a record: what would be agreed on now, they might gainsay.
    """
    records = [one.records.get(shard) for shard, one in enumerate(found)]
    known = next((record for record in records if record is not None), None)
    for shard, one in enumerate(found):
        for other in one.records:
            if other != shard and (other >= len(found) or found[other].where != one.where):
                raise ConfigError(
                    f"--redis-url: {one.where} is given as shard {shard}, and holds shard {other} of this prefix: "
                    "expected the URLs that all processes have, in their order"
                )
        record = records[shard]
        if record is not None and known is not None and record.id != known.id:
            raise ConfigError(
                f"--redis-url: {one.where} holds shard {shard} of another deployment with this prefix: expected the "
                "URLs that all processes have, or give one of them another --prefix"
            )
    away = {shard: one.away for shard, one in enumerate(found) if one.away}
    if away and known is None:
        raise LayerUnavailable(f"no shard that answers tells how many there are: {said(away)}")
    # A cluster of before has one shard and no record. Its processes know no other, so newcomers use no other yet.
    used = 1 if found[0].living else len(found)
    layout_id = fresh_id
    if known is not None:
        layout_id, used = known.id, max(record.used for record in records if record is not None)
    if used > len(found):
        raise ConfigError(
            f"--redis-url: this process is told of {_shards(len(found))}, and {used} are in use: expected the URLs "
            "that all processes have, in their order"
        )
    return [Record(layout_id, shard, used) for shard in range(len(found))]


def missing(shards: Sequence[ClusterStats]) -> list[str]:
    """The processes that are not on every one of some shards, each as ``role id [pid] on host``.

    Args:
        shards: who lives on each.
    """
    on_all = [{lease.id for lease in (*one.interfaces, *one.workers)} for one in shards]
    leases = {lease.id: lease for one in shards for lease in (*one.interfaces, *one.workers)}
    return [
        f"{lease.role} {lease.id} [{lease.pid}] on {lease.host}"
        for lease in leases.values()
        if not all(lease.id in ids for ids in on_all)
    ]


def wrong_number(known: int, wanted: int) -> str | None:
    """Why newcomers cannot use so many shards, or None.

    Args:
        known: shards that the command was told of.
        wanted: what they shall use.
    """
    if wanted > known:
        return f"--use {wanted}: expected at most {known}, as many as --redis-url names"
    return None


def holds(stats: ClusterStats, unburied: int) -> str:
    """What would be lost if a shard were given up, in words; empty if nothing.

    Args:
        stats: of the shard.
        unburied: interface servers with connections that are registered there.
    """
    counts = {
        "interface servers with connections": unburied,
        "messages": sum(channel.length for channel in stats.channels),
        "delayed messages": stats.delayed,
        "dead letters": stats.dead_letters,
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _shards(count: int) -> str:
    return "1 shard" if count == 1 else f"{count} shards"

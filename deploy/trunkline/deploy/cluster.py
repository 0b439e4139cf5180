"""A running cluster as one sees it from outside: who holds a lease, whether a message makes the trip, metrics."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import aiohttp

from trunkline.protocol.errors import LayerUnavailable, TrunklineError
from trunkline.protocol.messages import ClusterStats, LeaseInfo
from trunkline.protocol.redis_layer import RedisOperatorLayer, shards
from trunkline.protocol.settings import LayerSettings
from trunkline.protocol.sharding.asking import ask_each, said

TRIP_TIMEOUT_S = 10.0
SCRAPE_TIMEOUT_S = 3.0
_POLL_S = 0.1

_SAMPLE = re.compile(rb'^([a-zA-Z_:][\w:]*)(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})? (\S+)', re.MULTILINE)


class NotReady(TrunklineError):
    """The cluster is not what it should be when the time is over."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a cluster shall have.

    Attributes:
        numbers: role to how many processes.
        pids: the pids of a role that live on this machine now, asked again on each look.
        broken: raises when waiting is in vain, which ends it.
    """

    numbers: dict[str, int]
    pids: Callable[[str], set[int]]
    broken: Callable[[], None]


def leases_here(leases: Iterable[LeaseInfo], pids: set[int]) -> list[LeaseInfo]:
    """Those of the leases that these processes of this machine hold."""
    host = socket.gethostname()
    return [lease for lease in leases if lease.host == host and lease.pid in pids]


async def wait_for_leases(settings: LayerSettings, wanted: Wanted, patience_s: float) -> list[LeaseInfo]:
    """Waits until exactly as many processes of each role as wanted live and hold a lease.

    Returns:
        The interface servers' leases.

    Raises:
        NotReady: that takes longer than ``patience_s``; the text says who is missing.
    """
    layer = shards.operator_layer(settings)
    deadline = time.monotonic() + patience_s
    missing = "nothing answers yet"
    try:
        while time.monotonic() < deadline:
            wanted.broken()
            try:
                stats = await layer.stats()
            except LayerUnavailable as error:
                missing = str(error)
            else:
                held = {
                    role: leases_here(
                        stats.interfaces if role == "interface" else stats.workers, wanted.pids(role)
                    )
                    for role in wanted.numbers
                }
                if all(len(held[role]) == count for role, count in wanted.numbers.items()):
                    return held.get("interface", [])
                missing = ", ".join(
                    f"{len(held[role])} of {count} {role}s hold a lease"
                    for role, count in wanted.numbers.items()
                )
            await asyncio.sleep(_POLL_S)
    finally:
        await layer.close()
    raise NotReady(f"not ready after {patience_s:g} s: {missing}")


async def stats_of(settings: LayerSettings) -> ClusterStats:
    """The cluster's numbers.

    Raises:
        LayerUnavailable: Redis does not answer.
    """
    layer = shards.operator_layer(settings)
    try:
        return await layer.stats()
    finally:
        await layer.close()


def mixing(workers: Iterable[LeaseInfo], module: str) -> str | None:
    """Warns of workers that would take the messages of a cluster that is to run another application, or None.

    Args:
        workers: that live on the same Redis under the same prefix.
        module: routing module of the cluster.
    """
    others = sorted({worker.detail for worker in workers if worker.detail not in ("", module)})
    if not others:
        return None
    return (
        f"workers of {', '.join(others)} serve the same Redis and prefix: any worker takes any message, so theirs "
        f"and those of {module} would mix. If that is not meant, give one of them another --prefix"
    )


async def server_info(settings: LayerSettings) -> list[dict[str, str]]:
    """What the Redis of each shard says about itself, and its ``url`` as it may be shown.

    Raises:
        LayerUnavailable: one does not answer or refuses us.
    """
    found = await server_info_of_some(settings)
    away = {shard: info["error"] for shard, info in enumerate(found) if "error" in info}
    if away:
        raise LayerUnavailable(said(away))
    return found


async def server_info_of_some(settings: LayerSettings) -> list[dict[str, str]]:
    """As `server_info`; of a shard that does not answer, while others do, the reason as its ``error``.

    Raises:
        LayerUnavailable: none answers.
    """
    urls = shards.places(settings)
    sides = {shard: RedisOperatorLayer(settings, shard) for shard in range(len(urls))}
    try:
        if len(sides) == 1:
            return [{"url": urls[0]} | await sides[0].server_info()]
        answers = await ask_each(sides, lambda side: side.server_info(), places=urls)
    finally:
        for side in sides.values():
            await side.close()
    return [
        {"url": url} | (answers.told.get(shard) or {"error": answers.away[shard]})
        for shard, url in enumerate(urls)
    ]


async def trips(interfaces: Iterable[LeaseInfo]) -> None:
    """Sends a real message through each interface server to a worker and back, once that server says it is ready.

    A process holds its lease a moment before it lets clients in, so a first "not ready" is no failure.

    Raises:
        NotReady: one of them did not come back within ``TRIP_TIMEOUT_S``; the text says whose, and the pid.
    """
    timeout = aiohttp.ClientTimeout(total=TRIP_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        await asyncio.gather(*(_trip(session, lease) for lease in interfaces))


async def _trip(session: aiohttp.ClientSession, lease: LeaseInfo) -> None:
    deadline = time.monotonic() + TRIP_TIMEOUT_S
    who = f"interface server {lease.id} [{lease.pid}]"
    try:
        while (unready := await _refusal(session, f"http://{lease.admin}/ready")) is not None:
            if time.monotonic() > deadline:
                raise NotReady(f"{who} is not ready after {TRIP_TIMEOUT_S:g} s: {unready}")
            await asyncio.sleep(_POLL_S)
        if (refusal := await _refusal(session, f"http://{lease.admin}/trip")) is not None:
            raise NotReady(f"no message makes the trip through {who}: {refusal}")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise NotReady(f"no message makes the trip through {who}: {error!r}") from error


async def _refusal(session: aiohttp.ClientSession, url: str) -> str | None:
    async with session.get(url) as answer:
        return None if answer.status == 200 else (await answer.text()).strip()


async def wait_for_answer(url: str, who: str, broken: Callable[[], None], patience_s: float) -> None:
    """Waits until a server answers with 200.

    Args:
        url: what it is asked for.
        who: the server, for the message.
        broken: raises when waiting is in vain, which ends it.
        patience_s: how long.

    Raises:
        NotReady: it does not within ``patience_s``.
    """
    deadline = time.monotonic() + patience_s
    refusal: object = ""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SCRAPE_TIMEOUT_S)) as session:
        while time.monotonic() < deadline:
            broken()
            try:
                refusal = await _refusal(session, url)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                refusal = repr(error)
            if refusal is None:
                return
            await asyncio.sleep(_POLL_S)
    raise NotReady(f"{who} is not ready after {patience_s:g} s: {refusal}")


async def scrape(admins: Iterable[str]) -> dict[str, dict[str, float]]:
    """Reads the metrics of several processes at once.

    Returns:
        Admin address to sample name to the sum over its labels; nothing for a process that does not answer.
    """
    addresses = [admin for admin in admins if admin]
    found = await expositions(addresses)
    return {admin: sums(found.get(admin, "").encode()) for admin in addresses}


async def expositions(admins: Iterable[str]) -> dict[str, str]:
    """What ``/metrics`` of several processes says at once, by admin address; those that do not answer are left out."""
    timeout = aiohttp.ClientTimeout(total=SCRAPE_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        addresses = [admin for admin in admins if admin]
        answers = await asyncio.gather(*(_scrape(session, admin) for admin in addresses))
    return {admin: text for admin, text in zip(addresses, answers, strict=True) if text is not None}


async def _scrape(session: aiohttp.ClientSession, admin: str) -> str | None:
    try:
        async with session.get(f"http://{admin}/metrics") as answer:
            return await answer.text() if answer.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None


def sums(exposition: bytes) -> dict[str, float]:
    """Sample name to the sum over its labels, from Prometheus' text format."""
    totals: dict[str, float] = {}
    for name, value in _SAMPLE.findall(exposition):
        key = os.fsdecode(name)
        totals[key] = totals.get(key, 0.0) + float(value)
    return totals

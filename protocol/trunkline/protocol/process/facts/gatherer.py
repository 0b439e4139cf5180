"""The gatherer: asks Redis and every process at once, and makes `Facts` of the answers. The I/O of this package."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import aiohttp

from ...errors import LayerError, LayerUnavailable
from ...layer import OperatorLayer
from ...messages import ClusterStats, LeaseInfo
from .channels import channels_of, placed
from .cluster import Facts, Inspected
from .hot import hottest
from .machine import MachineFacts
from .processes import ProcessFacts
from .routes import routes_of
from .samples import Samples
from .servers import ServerFacts

SCRAPE_TIMEOUT_S = 3.0
"""A process that does not answer within this is shown as one that does not; the others do not wait for it longer."""
MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Of one process's metrics."""
_CHUNK_BYTES = 64 * 1024


@runtime_checkable
class Inspects(Protocol):
    """An operator's side that can also tell of its Redis; the in-memory layer has none."""

    async def inspect(self, deep: bool = False) -> Inspected:
        """Asks Redis about itself.

        Args:
            deep: also what costs more: rights, slow commands, clients, the mailboxes' last entries.

        Raises:
            LayerUnavailable: Redis does not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Scrape:
    """What one process answered, and when it was asked, by the monotonic clock."""

    at_s: float
    samples: Samples
    took_s: float = 0.0
    clock_off_s: float | None = None
    error: str = ""


class Gatherer:
    """Looks at a cluster as often as it is asked to; rates are those since the look before.

    It belongs to the event loop that calls it, and is for one caller at a time.

    Args:
        operator: whom to ask about streams and leases; it stays the caller's to close.
        timeout_s: how long a process may take to answer.
    """

    def __init__(self, operator: OperatorLayer, timeout_s: float = SCRAPE_TIMEOUT_S) -> None:
        self._operator = operator
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._machine = MachineFacts.read()
        self._scrapes: dict[str, _Scrape] = {}
        self._servers: dict[tuple[int | None, str], ServerFacts] = {}
        self._away: frozenset[int] = frozenset()
        self._waiting: dict[str, int] = {}
        self._dead_ever: int | None = None
        self._looked_s: float | None = None

    async def look(self, deep: bool = False) -> Facts:
        """Gathers. A Redis or a process that does not answer is told in the facts and raises nothing.

        Cancellation: what was answered is forgotten; the next look is as if this one had not been.

        Args:
            deep: see `Inspects.inspect`.
        """
        now_s = time.monotonic()
        span_s = now_s - self._looked_s if self._looked_s is not None else 0.0
        try:
            stats = await self._operator.stats()
            inspected = await self._inspect(deep)
        except LayerError as error:
            # The processes are known by their leases only, which Redis has.
            return Facts(time.time(), unavailable=str(error) or "no answer", machine=self._machine)
        leases = [*stats.interfaces, *stats.workers]
        left_s: dict[str, float] = {}
        for server in inspected.servers:
            for name, left in server.leases.items():
                left_s[name] = min(left, left_s.get(name, left))
        scrapes = await self._scrape_all(leases)
        processes = tuple(
            replace(
                self._process(lease, scrapes[lease.id], left_s.get(lease.id)), lacks=_lacking(lease.id, stats)
            )
            for lease in leases
        )
        facts = self._facts(stats, inspected, processes, span_s)
        self._remember(now_s, stats, facts, scrapes)
        return facts

    async def close(self) -> None:
        """Closes the connections to the processes. Idempotent."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    # ---- Redis ----

    async def _inspect(self, deep: bool) -> Inspected:
        return await self._operator.inspect(deep) if isinstance(self._operator, Inspects) else Inspected(())

    def _facts(
        self, stats: ClusterStats, inspected: Inspected, processes: tuple[ProcessFacts, ...], span_s: float
    ) -> Facts:
        away = {**inspected.away, **stats.away}
        # What a shard has that was away, or is now, did not grow or shrink.
        comparable = self._away == away.keys()
        dead_ever = stats.dead_letters + stats.dead_trimmed
        grown = dead_ever - self._dead_ever if self._dead_ever is not None and comparable else 0
        before = self._waiting if comparable else {}
        channels = channels_of(stats.channels, inspected.waits_s, processes, before, span_s)
        if stats.shards:
            told = {shard: one.channels for shard, one in stats.shards.items()}
            channels = placed(channels, told, inspected.waits_on)
        mailboxes, mailboxes_on = _mailboxes(stats)
        servers = tuple(
            replace(server, before=self._servers.get((server.shard, server.name)))
            for server in inspected.servers
        )
        return Facts(
            at_s=time.time(),
            span_s=span_s,
            servers=servers,
            away=away,
            processes=processes,
            channels=tuple(channels),
            routes=tuple(routes_of(processes)),
            mailboxes=mailboxes,
            mailboxes_on=mailboxes_on,
            dead_letters=stats.dead_letters,
            dead_letters_per_s=max(0, grown) / span_s if span_s > 0 else 0.0,
            dead_letters_trimmed=stats.dead_trimmed,
            delayed=stats.delayed,
            hot_group=hottest(inspected.posted),
            machine=self._machine,
        )

    def _remember(self, now_s: float, stats: ClusterStats, facts: Facts, scrapes: dict[str, _Scrape]) -> None:
        self._looked_s = now_s
        # A process that did not answer this time is compared with its last answer the next time.
        kept = {name: self._scrapes[name] for name in scrapes.keys() & self._scrapes.keys()}
        self._scrapes = kept | {name: scrape for name, scrape in scrapes.items() if not scrape.error}
        self._servers = {
            (server.shard, server.name): replace(server, before=None) for server in facts.servers
        }
        self._waiting = {channel.channel: channel.waiting for channel in facts.channels}
        self._dead_ever = stats.dead_letters + stats.dead_trimmed
        self._away = frozenset(facts.away)

    # ---- processes ----

    def _process(self, lease: LeaseInfo, scrape: _Scrape, left_s: float | None) -> ProcessFacts:
        before = self._scrapes.get(lease.id)
        span_s = scrape.at_s - before.at_s if before is not None else max(0.0, time.time() - lease.started_s)
        return ProcessFacts(
            lease=lease,
            lease_left_s=left_s,
            error=scrape.error,
            now=scrape.samples,
            before=before.samples if before is not None else None,
            span_s=span_s,
            took_s=scrape.took_s,
            clock_off_s=scrape.clock_off_s,
        )

    async def _scrape_all(self, leases: Iterable[LeaseInfo]) -> dict[str, _Scrape]:
        if self._session is None:
            # Without a proxy from the environment: admin ports are inside.
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                connector=aiohttp.TCPConnector(limit=0),
            )
        session = self._session
        asked = list(leases)
        answers = await asyncio.gather(*(_scrape(session, lease, self._timeout_s) for lease in asked))
        return {lease.id: answer for lease, answer in zip(asked, answers, strict=True)}


def _lacking(identity: str, stats: ClusterStats) -> tuple[int, ...]:
    """The shards that answer and know no lease of this process."""
    return tuple(
        shard
        for shard, one in stats.shards.items()
        if not any(lease.id == identity for lease in (*one.interfaces, *one.workers))
    )


def _mailboxes(stats: ClusterStats) -> tuple[dict[str, int], dict[str, int]]:
    """Entries in the longest mailbox of each interface server, and of several shards the one where that is: each
    mailbox has a bound of its own."""
    lengths: dict[str, int] = {}
    places: dict[str, int] = {}
    for shard, one in stats.by_shard.items():
        for name, length in one.mailbox_lengths.items():
            if length > lengths.get(name, -1):
                lengths[str(name)], places[str(name)] = length, shard
    return lengths, places if stats.shards else {}


async def _scrape(session: aiohttp.ClientSession, lease: LeaseInfo, timeout_s: float) -> _Scrape:
    began_s, asked_s = time.monotonic(), time.time()
    if not lease.admin:
        return _Scrape(began_s, Samples(), error="it has no admin server")
    try:
        async with session.get(f"http://{lease.admin}/metrics") as answer:
            if answer.status != 200:
                raise LayerUnavailable(f"status {answer.status}")
            text = await _text(answer.content)
    except TimeoutError:
        return _Scrape(began_s, Samples(), error=f"no answer within {timeout_s:g} s")
    except (aiohttp.ClientError, OSError, LayerUnavailable) as error:
        return _Scrape(began_s, Samples(), error=str(error) or type(error).__name__)
    took_s = time.monotonic() - began_s
    samples = Samples(text)
    clock_s = samples.value("trunkline_clock_seconds")
    off_s = None if clock_s is None else clock_s - (asked_s + took_s / 2)
    return _Scrape(began_s, samples, took_s, off_s)


async def _text(content: aiohttp.StreamReader) -> str:
    """An answer's text, up to a bound: what is behind it is no exposition of ours."""
    read = bytearray()
    while len(read) < MAX_ANSWER_BYTES and (chunk := await content.read(_CHUNK_BYTES)):
        read += chunk
    return read.decode("utf-8", "replace")

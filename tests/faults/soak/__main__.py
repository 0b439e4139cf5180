"""The long soak: ``python -m tests.faults.soak --minutes 30 --seed 1``, or ``make soak MINUTES=30``.

Real processes under a load that comes and goes, while every few seconds one of them, their connections or their Redis
is killed, stopped, paused or cut. Everything is checked while it runs and in the end: exit code 1 if anything was lost,
doubled, reordered, left behind, or grows. The seed that is printed makes the same faults again, at the same times.

Layers, the lowest first: `app` is what runs in the workers, `page` a connection's record, `books` the checker, `reader`
reads what the workers wrote down, `plan` says what is done when, `fleet` are the processes, `strikes` does it, `crowd`
are the clients, `memory` and `report` what their names say.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
from pathlib import Path

from tests.faults.leaks import leaks
from tests.faults.soak.books import LATE_S, Books
from tests.faults.soak.crowd import Crowd
from tests.faults.soak.fleet import Fleet
from tests.faults.soak.memory import WARM_UP_S, Sampler
from tests.faults.soak.plan import plan
from tests.faults.soak.reader import Reader
from tests.faults.soak.report import Minute, line, table
from tests.faults.soak.strikes import Strikes
from tests.support.redis_server import MISSING, Redis, find_binary, folder
from tests.support.waiting import until

LOOK_EVERY_S = 2.0
LINE_EVERY_S = 60.0
LEFT_WITHIN_S = 30.0
"""Until everything of connections that are gone has left Redis."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak")
    parser.add_argument(
        "--minutes", type=float, default=30.0, help="how long faults are injected (default: 30)"
    )
    parser.add_argument(
        "--seed", type=int, help="of the faults and the clients (default: by chance, and printed)"
    )
    parser.add_argument("--interfaces", type=int, default=2)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--clients", type=int, default=80)
    parser.add_argument("--logs", type=Path, help="where the processes' logs are kept (default: removed)")
    return parser.parse_args()


class Soak:
    """One soak.

    Args:
        options: from the command line, the seed filled in.
        redis: of the processes.
        logs: folder for their logs.
    """

    def __init__(self, options: argparse.Namespace, redis: Redis, logs: Path) -> None:
        self._lasts_s = options.minutes * 60
        self.books = Books()
        self._fleet = Fleet(redis, logs, options.interfaces, options.workers)
        self._crowd = Crowd(self.books, options.seed, lambda: self._fleet.addresses, options.clients)
        self._strikes = Strikes(self._fleet, self.books.fault)
        self._steps = plan(options.seed, self._lasts_s)
        self._sampler = Sampler(self._fleet)
        self._reader = Reader(
            redis.url, self._fleet.processes.keys, lambda event: self.books.read(event, self._now_s())
        )
        self._began_s = 0.0

    async def run(self) -> str:
        """Runs it; gives the table."""
        await self._fleet.start()
        self._began_s = self._now_s()
        crowd = asyncio.create_task(self._crowd.run(), name="crowd")
        watching = [
            asyncio.create_task(work, name=name)
            for name, work in (
                ("reader", self._reader.run()),
                ("sampler", self._sampler.run()),
                ("look", self._look()),
                ("lines", self._print_lines()),
            )
        ]
        striking = asyncio.create_task(self._strikes.run(self._steps), name="strikes")
        try:
            # Whichever of them fails, the soak does.
            await asyncio.wait((striking, crowd, *watching), return_when=asyncio.FIRST_COMPLETED)
            _raise_failure(striking, crowd, *watching)
            self._crowd.stopping.set()
            await crowd
            await self._settle()
            _raise_failure(*watching)
        finally:
            for task in (striking, crowd, *watching):
                task.cancel()
            await asyncio.gather(striking, crowd, *watching, return_exceptions=True)
        await self._look_behind()
        return self._table()

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.books.look(self._now_s())

    async def _print_lines(self) -> None:
        while True:
            await asyncio.sleep(LINE_EVERY_S)
            waits_s, self._crowd.waits_s = sorted(self._crowd.waits_s), []
            at_s = self._now_s() - self._began_s
            minute = Minute(at_s, len(self.books), self._strikes.done.total(), waits_s)
            print(line(minute, self.books), flush=True)

    async def _settle(self) -> None:
        """Waits until every page is closed; `Books.look` closes those that never end well."""
        with contextlib.suppress(AssertionError):  # who is left is told below
            await until(lambda: not len(self.books), 3 * LATE_S, "the books are closed")
        for page in self.books.unsettled():
            self.books.fault("stuck", f"{page.name} is not over: {page}")

    async def _look_behind(self) -> None:
        processes = self._fleet.processes
        left: list[str] = []

        async def nothing_left() -> bool:
            async with processes.operator() as layer:
                stats = await layer.stats()
            alive = {lease.id for lease in stats.interfaces + stats.workers}
            async with processes.data() as data:
                left[:] = await leaks(data, processes.keys, alive)
            return not left

        with contextlib.suppress(AssertionError):  # what is left is told below
            await until(nothing_left, LEFT_WITHIN_S, "nothing is left behind")
        for one in left:
            self.books.fault("left behind", one)
        for complaint in processes.complaints():
            self.books.fault("complaint", complaint)

    def _table(self) -> str:
        growths = self._sampler.growths(min(WARM_UP_S, self._lasts_s / 2))
        for one in growths:
            if not one.flat:
                self.books.fault("memory", f"{one.name} has grown by {one.grown_bytes:.0f} bytes")
        codes = {str(code): count for code, count in sorted(self._crowd.codes.items())}
        endings = {"connections the server ended": codes, "handshakes without success": self._crowd.refused}
        return table(self.books, self._strikes.done, endings, growths)

    def end(self) -> None:
        """Kills every process but Redis."""
        self._fleet.processes.end()


def _raise_failure(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        if task.done():
            task.result()


def main() -> int:
    """Runs a soak from the command line; gives the exit code."""
    options = _arguments()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1_000_000)
    binary = find_binary()
    if binary is None:
        print(MISSING, file=sys.stderr)
        return 1
    print(f"soak of {options.minutes:g} minutes; again with --seed {options.seed}", flush=True)
    with folder() as place, tempfile.TemporaryDirectory() as scratch:
        logs = options.logs or Path(scratch)
        logs.mkdir(parents=True, exist_ok=True)
        redis = Redis(place, binary, appendonly=True)
        redis.wait_until_it_answers()
        soak = Soak(options, redis, logs)
        try:
            print(asyncio.run(soak.run()))
        finally:
            soak.end()
            redis.process.resume()
            redis.process.kill()
    return 1 if soak.books.counts.total() else 0


if __name__ == "__main__":
    raise SystemExit(main())

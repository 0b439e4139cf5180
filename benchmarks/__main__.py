"""``python -m benchmarks``: measures, writes the results, prints the table for the README."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.settings import parse_or_exit

from .contenders import chosen, divided
from .files import raise_limit
from .machine import describe
from .outcome import OURS, Outcome
from .processes import Cores
from .results import Results
from .settings import RESULTS, BenchSettings
from .suite import Suite
from .syscalls import commands
from .systems import FLOOR
from .tables import left_out, short, targets, voids

DESCRIPTION = "Measures Trunkline beside other servers; what and how stands in benchmarks/README.md."


def main(argv: Sequence[str]) -> int:
    """The command; returns its exit code. A missed target or a void run is no failure: the tables say so."""
    settings = parse_or_exit(BenchSettings, argv, "python -m benchmarks", DESCRIPTION)
    raise_limit()  # the servers inherit it
    cores = Cores.choose()
    peers, missing = divided(chosen(settings.peers))
    for name, reason in missing.items():
        _say(f"{name} is left out: {reason}")
    if OURS in missing:
        return ExitCode.USAGE
    files = ([RESULTS] if settings.complete else []) + ([Path(settings.output)] if settings.output else [])
    facts = [f"{datetime.now(UTC):%Y-%m-%d}", *describe(), *_method(settings, cores, argv)]
    results = Results(files, peers, missing, facts)
    outcomes: list[Outcome] = []
    begin_s = monotonic()
    for outcome in Suite(settings, cores, peers, _say).run():
        outcomes.append(outcome)
        results.write(outcomes)
        _say(f"{outcome.name} is done, {(monotonic() - begin_s) / 60:.1f} minutes since the begin")
    _say("\n".join(["", short(outcomes, FLOOR.name), "", targets(outcomes)]))
    _say("\n".join([*(f"void: {line}" for line in voids(outcomes)), *map("written: {}".format, files)]))
    failed = [line for line in left_out(outcomes) if f": {OURS}: " in line]
    for line in failed:
        print(f"benchmarks: {line}", file=sys.stderr)
    return ExitCode.FAILED if failed else ExitCode.OK


def _say(line: str) -> None:
    print(line, flush=True)


def _method(settings: BenchSettings, cores: Cores, argv: Sequence[str]) -> list[str]:
    placed = cores.note or "All servers and their Redis on one core, the generator on another."
    kept = "with an append-only file" if settings.persistence else "without persistence"
    tools = [tool[0] for tool in commands([])]
    counted = f"counted by {' or '.join(tools)}" if tools else "not counted: neither perf nor strace is there"
    return [
        f"{placed} Redis {kept}. Syscalls {counted}.",
        f"{settings.pairs} rounds, {settings.seconds:g} s each run after {settings.warm_up_s:g} s of warm-up: "
        f"`{' '.join(['python -m benchmarks', *argv])}`",
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

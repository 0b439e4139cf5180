"""``python -m benchmarks``: measures, writes the results, prints the table for the README."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from trunkline.protocol.errors import ConfigError
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.settings import parse_or_exit

from .machine import describe
from .processes import Cores, NotStarted
from .report import document, short, voids
from .settings import RESULTS, BenchSettings
from .suite import GeneratorFailed, Suite

DESCRIPTION = "Measures Trunkline against a bare aiohttp server; what and how stands in benchmarks/README.md."


def main(argv: Sequence[str]) -> int:
    """The command; returns its exit code. A missed limit or a void run is no failure: the tables say so."""
    settings = parse_or_exit(BenchSettings, argv, "python -m benchmarks", DESCRIPTION)
    cores = Cores.choose()
    if cores.note:
        print(cores.note, flush=True)
    try:
        machine = describe()
        outcomes = list(Suite(settings, cores, lambda line: print(line, flush=True)).run())
    except (ConfigError, NotStarted, GeneratorFailed) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return ExitCode.USAGE if isinstance(error, ConfigError) else ExitCode.FAILED
    targets = ([] if settings.only else [RESULTS]) + ([Path(settings.output)] if settings.output else [])
    text = document(outcomes, [*machine, *_method(settings, cores, argv)], f"{datetime.now(UTC):%Y-%m-%d}")
    for target in targets:
        target.write_text(text)
    print("\n".join(["", short(outcomes), *(f"void: {line}" for line in voids(outcomes))]))
    for target in targets:
        print(f"written: {target}")
    return ExitCode.OK


def _method(settings: BenchSettings, cores: Cores, argv: Sequence[str]) -> list[str]:
    placed = cores.note or "Servers and Redis on one core, the generator on another."
    kept = "with an append-only file" if settings.persistence else "without persistence"
    return [
        f"{placed} Redis {kept}.",
        f"{settings.pairs} pairs of runs, {settings.seconds:g} s each after {settings.warm_up_s:g} s of warm-up: "
        f"`{' '.join(['python -m benchmarks', *argv])}`",
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

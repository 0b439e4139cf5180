"""``python -m benchmarks.shards``: what several Redises carry together, against one.

Redis is the bottleneck on purpose: the kernel holds each to a small part of a core (`benchmarks.quota`), so that two
cores are ample for everything else, and everything else is real: interface servers, workers, clients. A run in which a
Redis had some of its part left is void.

Each Redis gets the same load: so many connections, and a worker that asks it for so many entries at once. A worker asks
each shard for its share of ``--concurrency``, so that is given it in proportion. With ``--no-grow-load`` several
Redises get together what one gets: each then pays for more calls, with less in each.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.settings import PositiveSeconds, Settings, parse_or_exit

from .files import raise_limit
from .limits import Limit
from .machine import describe
from .outcome import Outcome
from .peer import Shape
from .processes import Cores
from .quota import LEAST_SHARE
from .settings import BenchSettings
from .spec import Kind
from .store import missing_store
from .suite import Suite
from .systems import TRUNKLINE
from .tables import costs, left_out, shares, targets, voids
from .workload import Measure, Workload

SEVERAL: Final = "shards"
ONE: Final = "one-shard"
PART: Final = 0.85
"""Of what so many Redises would carry if a shard cost nothing; 1.7 for two."""


class ShardsSettings(Settings):
    """What it can be told."""

    model_config = SettingsConfigDict(env_prefix="TRUNKLINE_BENCH_")

    redises: Annotated[int, Field(ge=2, le=16)] = Field(2, description="Redises, a shard each, against one")
    redis_share: Annotated[float, Field(ge=LEAST_SHARE, le=1)] = Field(
        0.05, description="part of a core that each Redis may use"
    )
    connections: Annotated[int, Field(ge=1, le=15_000)] = Field(
        400, description="connections for each Redis, with one message outstanding on each"
    )
    concurrency: Annotated[int, Field(ge=1, le=1000)] = Field(
        100, description="entries for each Redis that the worker may have at work at once"
    )
    grow_load: bool = Field(
        True, description="each Redis gets the load of one; --no-grow-load deals the load of one to all"
    )
    pairs: Annotated[int, Field(ge=1, le=1000)] = Field(
        5, description="rounds, in each of which both have one run"
    )
    seconds: PositiveSeconds = Field(2.0, description="measured seconds of a run")
    warm_up_s: PositiveSeconds = Field(1.0, description="seconds of load before them")


def workloads(settings: ShardsSettings) -> dict[str, Workload]:
    """Saturated echo over several shards, and over one."""

    def echo(redises: int, *limits: Limit) -> Workload:
        many = f"{redises} Redises" if redises > 1 else "1 Redis"
        loads = redises if settings.grow_load else 1
        return Workload(
            f"echo, saturated, {many} with {settings.redis_share:.1%} of a core each",
            Kind.CLOSED,
            measure=Measure.RATE,
            connections=settings.connections * loads,
            limits=limits,
            shape=Shape(
                concurrency=settings.concurrency * loads, redises=redises, redis_share=settings.redis_share
            ),
            # So that no append-only file grows until Redis rewrites it in the middle of a run.
            fresh=True,
            floor=False,
        )

    least = Limit(PART * settings.redises, of=ONE, least=True)
    return {SEVERAL: echo(settings.redises, least), ONE: echo(1)}


def text(outcome: Outcome) -> str:
    """The tables of an outcome, and which runs are not in them."""
    not_in = [*map("void: {}".format, voids([outcome])), *map("left out: {}".format, left_out([outcome]))]
    return "\n\n".join(
        ["", targets([outcome]), costs([outcome]), shares([outcome]), "\n".join(not_in)]
    ).rstrip()


def main(argv: Sequence[str] | None = None) -> int:
    """The command; 1 if there is no pair of runs that count. A missed target is no failure: the table says so."""
    settings = parse_or_exit(
        ShardsSettings, sys.argv[1:] if argv is None else argv, "python -m benchmarks.shards", __doc__
    )
    if (reason := missing_store()) is not None:
        print(f"python -m benchmarks.shards: {reason}", file=sys.stderr)
        return ExitCode.USAGE
    raise_limit()
    how = {name: getattr(settings, name) for name in ("pairs", "seconds", "warm_up_s")}
    suite = Suite(
        BenchSettings.model_validate(how),
        Cores.choose(),
        [TRUNKLINE],
        lambda line: print(line, flush=True),
        workloads(settings),
    )
    outcome = suite.measure(SEVERAL)
    print("\n".join(describe()), text(outcome), sep="\n")
    return ExitCode.OK if outcome.ratio(ONE) else ExitCode.FAILED


if __name__ == "__main__":
    sys.exit(main())

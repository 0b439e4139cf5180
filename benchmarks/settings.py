"""Settings of the suite: flags of ``python -m benchmarks``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import SettingsConfigDict

from trunkline.protocol.settings import PositiveSeconds, Settings

from .contenders import NAMES
from .workloads import WORKLOADS

RESULTS: Final = Path(__file__).with_name("RESULTS.md")

QUICK: Final = {"pairs": 3, "seconds": 1.0, "warm_up_s": 0.5, "trace_s": 0.5, "peers": []}
"""What ``--quick`` sets, where nothing else is said."""


def _check_workload(value: str) -> str:
    if value not in WORKLOADS:
        raise ValueError(f"{value!r} is no workload: expected some of {', '.join(WORKLOADS)}")
    return value


def _check_peer(value: str) -> str:
    if value not in (*NAMES, "all"):
        raise ValueError(f"{value!r} is no system: expected some of {', '.join((*NAMES, 'all'))}")
    return value


class BenchSettings(Settings):
    """What the suite can be told."""

    model_config = SettingsConfigDict(env_prefix="TRUNKLINE_BENCH_")

    quick: bool = Field(
        False, description="the most important workloads, three short rounds, Trunkline and the floor alone"
    )
    only: list[Annotated[str, AfterValidator(_check_workload)]] = Field(
        [], description=f"run only these workloads: {', '.join(WORKLOADS)}"
    )
    peers: list[Annotated[str, AfterValidator(_check_peer)]] = Field(
        ["all"],
        description=f"measure only these systems beside Trunkline: all, or some of {', '.join(NAMES)}",
    )
    pairs: Annotated[int, Field(ge=1, le=1000)] = Field(
        5, description="rounds of each workload, in each of which every system has one run"
    )
    seconds: PositiveSeconds = Field(2.0, description="measured seconds of a run")
    warm_up_s: PositiveSeconds = Field(1.0, description="seconds of load before them")
    trace_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        1.0, description="seconds behind them in which syscalls are counted; 0 counts none"
    )
    most_connections: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        1_000_000, description="connections of any workload at most"
    )
    persistence: bool = Field(
        True,
        description="Redis keeps an append-only file, as the cluster's own does; --no-persistence without",
    )
    output: str = Field(
        "",
        description="file for the results, the plot goes beside it; a run of every workload with every system writes "
        "benchmarks/RESULTS.md anyway",
    )

    @model_validator(mode="before")
    @classmethod
    def _quick(cls, values: dict[str, object]) -> dict[str, object]:
        return {**QUICK, **values} if values.get("quick") in (True, "true", "1") else values

    def names(self) -> list[str]:
        """The workloads to run, in order: those with a target first, so that a run that is broken off has them."""
        if self.only:
            return list(self.only)
        taken = [name for name, workload in WORKLOADS.items() if workload.quick or not self.quick]
        return sorted(taken, key=lambda name: not WORKLOADS[name].limits)

    @property
    def complete(self) -> bool:
        """Whether everything is run."""
        return not self.only and not self.quick and self.peers == ["all"]

"""Settings of the suite: flags of ``python -m benchmarks``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from trunkline.protocol.settings import PositiveSeconds, Settings

from .workloads import WORKLOADS

RESULTS: Final = Path(__file__).with_name("RESULTS.md")


def _check_name(value: str) -> str:
    if value not in WORKLOADS:
        raise ValueError(f"{value!r} is no workload: expected some of {', '.join(WORKLOADS)}")
    return value


class BenchSettings(Settings):
    """What the suite can be told."""

    model_config = SettingsConfigDict(env_prefix="TRUNKLINE_BENCH_")

    only: list[Annotated[str, AfterValidator(_check_name)]] = Field(
        [], description=f"run only these workloads: {', '.join(WORKLOADS)}"
    )
    pairs: Annotated[int, Field(ge=1, le=1000)] = Field(
        5, description="runs of Trunkline and of the floor, in turns, of each workload"
    )
    seconds: PositiveSeconds = Field(3.0, description="measured seconds of a run")
    warm_up_s: PositiveSeconds = Field(1.0, description="seconds of load before them")
    connections: Annotated[int, Field(ge=1, le=100_000)] = Field(
        200, description="connections of all workloads but 'single' and 'idle'"
    )
    idle_connections: Annotated[int, Field(ge=1, le=100_000)] = Field(
        5_000, description="connections of 'idle', as far as the file-descriptor limit lets them be"
    )
    persistence: bool = Field(
        True,
        description="Redis keeps an append-only file, as the cluster's own does; --no-persistence without",
    )
    output: str = Field(
        "", description="file for the results; a run of every workload writes benchmarks/RESULTS.md anyway"
    )

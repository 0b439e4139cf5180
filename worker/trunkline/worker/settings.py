"""Settings of a worker."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import CliPositionalArg

from trunkline.protocol.errors import InvalidName
from trunkline.protocol.settings import PositiveSeconds, ProcessSettings
from trunkline.protocol.tracks import MAIN, track_name


def _check_track(value: str) -> str:
    try:
        return track_name(value) if value else MAIN
    except InvalidName as error:
        raise ValueError(str(error)) from error


class WorkerOptions(ProcessSettings):
    """What a worker can be told, whoever starts it."""

    threads: int = Field(
        0,
        ge=0,
        le=256,
        description="threads for def handlers; 0 runs them in the event loop, one after the other",
    )
    concurrency: int = Field(100, ge=1, le=100_000, description="async def handlers at work at the same time")
    handler_timeout_s: PositiveSeconds = Field(
        30.0,
        description="seconds a handler may take: an async one is cancelled, a worker stuck in another one ends",
    )
    prefetch: int = Field(
        256, ge=1, le=1000, description="entries taken at once at most; slow handlers lower it by themselves"
    )
    session_max_bytes: int = Field(
        65_536, ge=16, le=4_194_304, description="bytes a channel session may have, encoded"
    )
    only_channels: list[str] = Field([], description="serve only channels that match one of these globs")
    exclude_channels: list[str] = Field([], description="do not serve channels that match one of these globs")
    code_version: str = Field(
        "",
        max_length=100,
        description="version of the application's code, for dead letters and status; else git's name for the commit "
        "of the routing module",
    )
    track: Annotated[str, AfterValidator(_check_track)] = Field(
        MAIN,
        description="serve only connections of this track, as `trunkline deploy` puts them on it; without, all others",
    )
    log_messages: bool = Field(False, description="log a line for every handled message")


class WorkerSettings(WorkerOptions):
    """Settings of ``trunkline worker``."""

    module: CliPositionalArg[str] = Field(
        description="importable module with a channel_routing list, as in chat.routing"
    )

"""Settings of the `trunkline` command's verbs: each declared once, with its flag, variable, default and validation.

``trunkline interface`` and ``trunkline worker`` have theirs in their own tiers.
"""

from __future__ import annotations

import keyword
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from trunkline.interface.settings import Statics
from trunkline.protocol.errors import InvalidName
from trunkline.protocol.names import MAX_SHARDS
from trunkline.protocol.process.advertise import split_address
from trunkline.protocol.settings import (
    WATERFALL,
    LayerSettings,
    LoopSettings,
    Port,
    PositiveSeconds,
    ProcessSettings,
    Settings,
    WaterfallRate,
    check_redis_url,
)
from trunkline.protocol.tracks import track_name

MAX_PROCESSES = 64
"""Of one role under one supervisor. Beyond it a machine wants several clusters, or a cluster several machines."""

Processes = Annotated[int, Field(ge=1, le=MAX_PROCESSES)]


def _check_module(value: str) -> str:
    if not all(part.isidentifier() for part in value.split(".")):
        raise ValueError("expected an importable module such as 'chat.routing'")
    return value


def _check_app_name(value: str) -> str:
    if not value.isidentifier() or not value.isascii() or keyword.iskeyword(value):
        raise ValueError(
            "expected a Python name: letters, digits and '_', not beginning with a digit, no keyword"
        )
    return value


def _check_given_url(value: str) -> str:
    return check_redis_url(value) if value else value


GivenRedisUrl = Annotated[str, AfterValidator(_check_given_url)]
"""A Redis URL, or empty: then the command finds one by itself."""

Module = Annotated[str, AfterValidator(_check_module)]
AppName = Annotated[str, AfterValidator(_check_app_name)]


JSON_SHORTCUT = {"as-json": "json"}
"""A field cannot be called ``json``: pydantic has a method of that name."""


class ClusterCommand(Settings):
    """What every command about a running cluster has."""

    run_dir: Path = Field(Path(".run"), description="where the cluster keeps its state, logs and own Redis")


class JsonCommand(ClusterCommand):
    """A command whose answer programs read too."""

    model_config = SettingsConfigDict(cli_shortcuts=JSON_SHORTCUT)

    as_json: bool = Field(False, description="answer as JSON")


class ServingSettings(LoopSettings):
    """What `dev` and `up` have in common."""

    module: CliPositionalArg[Module] = Field(
        description="module with a channel_routing list, such as chat.routing"
    )
    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 or :: for all")
    port: Port = Field(8000, description="port of the page and its WebSockets; 0 lets the kernel choose")
    static: Statics = Field([], description="URL=DIR: serve the files of DIR below URL; repeatable")
    auto_static: bool = Field(
        True,
        description="without --static serve the folder 'static' beside the routing module, if there is one, at /",
    )


class UpSettings(ServingSettings, ProcessSettings):
    """What ``trunkline up`` can be told."""

    redis_url: GivenRedisUrl = Field(
        "",
        description="a Redis that runs already, else REDIS_URL, else the cluster starts one of its own",
        repr=False,
    )
    interfaces: Processes = Field(2, description="interface servers")
    workers: Processes = Field(2, description="workers")
    run_dir: Path = Field(Path(".run"), description="where the cluster keeps its state, logs and own Redis")
    start_timeout_s: PositiveSeconds = Field(60.0, description="seconds until a start that hangs is given up")
    # All processes are of one version here, so that none meets a mark that it does not know.
    waterfall_per_s: WaterfallRate = Field(1.0, description=WATERFALL)
    prometheus: bool = Field(
        False, description="start a Prometheus as well (prometheus on PATH) that watches every process"
    )
    prometheus_port: Port = Field(
        0, description="port of Prometheus' page on 127.0.0.1; 0 lets the kernel choose"
    )
    prometheus_interval_s: Annotated[float, Field(ge=0.1, le=300)] = Field(
        5.0, description="seconds between two looks of Prometheus at each process"
    )

    @field_validator("admin_advertise")
    @classmethod
    def _check_admin_advertise(cls, value: str) -> str:
        if value and split_address(value)[1] is not None:
            raise ValueError("expected HOST without a port: each of several processes has one of its own")
        return value

    @field_validator("admin_port")
    @classmethod
    def _check_admin_port(cls, value: int) -> int:
        if value:
            raise ValueError(
                "expected 0: several processes cannot share one admin port; 'status' shows theirs"
            )
        return value


class DevSettings(ServingSettings):
    """What ``trunkline dev`` can be told."""

    redis_url: GivenRedisUrl = Field(
        "", description="carry the messages over this Redis instead of in memory", repr=False
    )
    reload: bool = Field(
        True, description="start again when a Python file below the current directory changes"
    )
    drain_s: PositiveSeconds = Field(
        2.0, description="seconds a stop may take before what is left is cut off"
    )


class ScaleSettings(ClusterCommand):
    """What ``trunkline scale`` can be told."""

    interfaces: Processes | None = Field(None, description="interface servers from now on")
    workers: Processes | None = Field(None, description="workers from now on")
    start_timeout_s: PositiveSeconds = Field(60.0, description="seconds until a start that hangs is given up")


class StatusSettings(JsonCommand):
    """What ``trunkline status`` can be told."""

    interval_s: Annotated[float, Field(gt=0, le=60)] = Field(
        1.0, description="seconds over which rates are measured"
    )


class LogsSettings(ClusterCommand):
    """What ``trunkline logs`` can be told."""

    model_config = SettingsConfigDict(cli_shortcuts={"follow": "f"})

    follow: bool = Field(False, description="go on with what is written from now on, until Ctrl-C")
    role: Literal["all", "interface", "worker", "canary", "redis", "prometheus", "circusd"] = Field(
        "all", description="whose log"
    )
    lines: Annotated[int, Field(ge=0, le=100_000)] = Field(
        20, description="last lines of each log that are shown first"
    )
    raw: bool = Field(False, description="show lines in JSON as they stand in the log")


class LogLevelSettings(LayerSettings, JsonCommand):
    """What ``trunkline log-level`` can be told."""

    level: CliPositionalArg[Literal["debug", "info", "warning", "error", "setting"]] = Field(
        description="least level that is logged from now on; 'setting' takes an earlier change back"
    )
    redis_url: GivenRedisUrl = Field(
        "", description="where Redis is; else the running cluster's, else REDIS_URL", repr=False
    )
    role: Literal["all", "interface", "worker"] = Field("all", description="only processes of this role")
    process: str = Field("", description="only this process: its id or pid, as 'status' shows them")
    logger: str = Field("", description="only this logger and those below it, such as trunkline.worker")
    for_s: PositiveSeconds | None = Field(None, description="take the change back after so many seconds")


class DownSettings(ClusterCommand):
    """What ``trunkline down`` can be told."""


class StartappSettings(Settings):
    """What ``trunkline startapp`` can be told."""

    name: CliPositionalArg[AppName] = Field(description="name of the package to make, such as chat")


Percent = Annotated[float, Field(ge=0, le=100)]


class DeployCommand(ClusterCommand):
    """What every ``trunkline deploy`` command that starts processes has."""

    start_timeout_s: PositiveSeconds = Field(60.0, description="seconds until a start that hangs is given up")


class DeployCodeSettings(DeployCommand):
    """Which code is meant."""

    code: Path | None = Field(
        None,
        description="directory from which the routing module is imported; without, the one that runs now",
    )
    module: Module | Literal[""] = Field("", description="routing module; without, the one that runs now")
    code_version: str = Field(
        "", max_length=100, description="what this code is called; else git's name for its commit"
    )

    @field_validator("code")
    @classmethod
    def _check_code(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError("expected a directory")
        return value.resolve() if value is not None else None


class DeployStartSettings(DeployCodeSettings):
    """What ``trunkline deploy start`` can be told."""

    percent: Percent = Field(10.0, description="of new connections that it gets")
    workers: Processes = Field(1, description="workers that run it")


class DeployRollSettings(DeployCodeSettings):
    """What ``trunkline deploy roll`` can be told."""

    role: Literal["worker", "interface"] = Field("worker", description="whose processes are replaced")


class DeployPromoteSettings(DeployCommand):
    """What ``trunkline deploy promote`` can be told."""


class DeployRollbackSettings(ClusterCommand):
    """What ``trunkline deploy rollback`` can be told."""


class DeployShareSettings(LayerSettings, ClusterCommand):
    """What ``trunkline deploy share`` can be told."""

    percent: CliPositionalArg[Percent] = Field(
        description="of new connections that the track gets; 0 takes it away"
    )
    track: str = Field("", description="whose share; without, the canary's of the cluster that runs here")
    redis_url: GivenRedisUrl = Field(
        "", description="where Redis is; else the running cluster's, else REDIS_URL", repr=False
    )

    @field_validator("track")
    @classmethod
    def _check_track(cls, value: str) -> str:
        try:
            return track_name(value) if value else value
        except InvalidName as error:
            raise ValueError(str(error)) from error


class DeployStatusSettings(LayerSettings, JsonCommand):
    """What ``trunkline deploy status`` can be told."""

    redis_url: GivenRedisUrl = Field(
        "", description="where Redis is; else the running cluster's, else REDIS_URL", repr=False
    )
    interval_s: Annotated[float, Field(gt=0, le=3600)] = Field(
        5.0, description="seconds over which messages are counted"
    )


class ShardsSettings(LayerSettings, JsonCommand):
    """What ``trunkline shards`` can be told."""

    redis_url: GivenRedisUrl = Field(
        "", description="where the shards are; else the running cluster's, else REDIS_URL", repr=False
    )
    use: Annotated[int, Field(ge=1, le=MAX_SHARDS)] | None = Field(
        None,
        description="let newcomers use so many shards from now on: more once every process is on all of them, "
        "fewer while no process lives and the last ones are empty",
    )


class FoundCluster(LayerSettings, ClusterCommand):
    """A command about a cluster wherever it runs."""

    redis_url: GivenRedisUrl = Field(
        "", description="where Redis is; else the running cluster's, else REDIS_URL", repr=False
    )


class DoctorSettings(FoundCluster, JsonCommand):
    """What ``trunkline doctor`` can be told."""

    interval_s: Annotated[float, Field(gt=0, le=60)] = Field(
        2.0, description="seconds between the two looks from which rates are known"
    )


class TopSettings(FoundCluster):
    """What ``trunkline top`` can be told."""

    interval_s: Annotated[float, Field(ge=0.1, le=60)] = Field(2.0, description="seconds between two frames")
    once: bool = Field(False, description="print one frame and end")


class DeadSettings(FoundCluster, JsonCommand):
    """What every ``trunkline dead`` command has."""


class DeadFilterSettings(DeadSettings):
    """Which dead letters are meant."""

    route: str = Field("", description="only those of this route, or of routes that match this glob")
    channel: str = Field("", description="only those of this channel, or of channels that match this glob")
    reason: list[str] = Field([], description="only those with one of these reasons, such as error,timeout")
    error: str = Field("", description="only those whose error contains this")
    connection: str = Field("", description="only those of this connection: its id or its reply channel")
    worker: str = Field("", description="only those that this worker wrote")
    since: str = Field(
        "", description="only those younger than this: 30s, 15m, 2h, 7d, or a date 2026-01-31T12:00"
    )
    until: str = Field("", description="only those older than this, written as --since")


class DeadListSettings(DeadFilterSettings):
    """What ``trunkline dead list`` can be told."""

    limit: Annotated[int, Field(ge=1, le=100_000)] = Field(
        100, description="letters that are shown at most, oldest first"
    )
    after: str = Field("", description="begin behind this id: the next page")
    summary: bool = Field(False, description="count them by reason, route and channel instead")


class DeadShowSettings(DeadSettings):
    """What ``trunkline dead show`` can be told."""

    ids: CliPositionalArg[list[str]] = Field(description="ids as 'dead list' shows them")


class DeadDropSettings(DeadFilterSettings):
    """What ``trunkline dead drop`` can be told."""

    # A subclass' shortcuts take the place of its base's.
    model_config = SettingsConfigDict(cli_shortcuts={**JSON_SHORTCUT, "every": "all"})

    ids: CliPositionalArg[list[str]] = Field([], description="ids as 'dead list' shows them")
    every: bool = Field(False, description="all that the filters leave")


class DeadRedriveSettings(DeadDropSettings):
    """What ``trunkline dead redrive`` can be told."""

    wait_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        30.0,
        description="seconds without progress until letters whose turn has not come are left: those of one "
        "connection go back one after another, each when the one before it is handled",
    )

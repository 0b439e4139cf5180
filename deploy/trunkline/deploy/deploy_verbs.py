"""``trunkline deploy``: new code without an end of any connection.

``start``, ``promote``, ``rollback`` and ``roll`` change the cluster that runs on this machine. ``share`` and ``status``
only talk to Redis and to the workers' admin servers, wherever those run.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from trunkline.protocol.errors import ConfigError, LayerUnavailable
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.redis_layer.track_shares import ShardedTrackShares
from trunkline.protocol.settings import Settings, parse_or_exit
from trunkline.protocol.sharding.asking import said

from . import canary
from .canary import NoCanary
from .cluster import NotReady, expositions, stats_of
from .diagnosis.finding import counted
from .failures import explain, refuse
from .interruptions import uninterrupted
from .release import Release
from .rolling import roll
from .rundir import ClusterState, RunDir
from .running import NotRunning, alone, layer_settings, supervised
from .settings import (
    ClusterCommand,
    DeployCodeSettings,
    DeployPromoteSettings,
    DeployRollbackSettings,
    DeployRollSettings,
    DeployShareSettings,
    DeployStartSettings,
    DeployStatusSettings,
)
from .supervisor import SupervisorError
from .versions import compare, table

_HELP = (
    "usage: trunkline deploy start|share|status|promote|rollback|roll [...]\n\n{}\n\n"
    "'trunkline deploy VERB --help' tells all about one."
)


def main(argv: Sequence[str]) -> int:
    """Runs ``trunkline deploy …``."""
    if not argv or argv[0] in ("-h", "--help"):
        print(_HELP.format("\n".join(f"  {name:8} {summary}" for name, (_, summary, _) in VERBS.items())))
        return ExitCode.OK if argv else ExitCode.USAGE
    if argv[0] not in VERBS:
        return refuse("deploy", f"{argv[0]!r} is no verb; expected one of {', '.join(VERBS)}", ExitCode.USAGE)
    declared, summary, run = VERBS[argv[0]]
    verb = f"deploy {argv[0]}"
    settings: Any = parse_or_exit(declared, argv[1:], f"trunkline {verb}", summary)
    try:
        run(settings)
    except NotRunning as error:
        return refuse(verb, error, ExitCode.NOT_RUNNING)
    except (NoCanary, ConfigError) as error:
        return refuse(verb, error, ExitCode.USAGE)
    except LayerUnavailable as error:
        return refuse(verb, error, ExitCode.NO_REDIS)
    except (NotReady, SupervisorError) as error:
        explain(verb, RunDir(settings.run_dir), error)
        print("no connection was ended; 'trunkline deploy status' shows what runs", flush=True)
        return ExitCode.FAILED
    return ExitCode.OK


def _changing(settings: ClusterCommand, change: Callable[[RunDir, ClusterState], None]) -> None:
    """Changes the cluster, alone."""
    run_dir = RunDir(settings.run_dir)
    supervised(run_dir)
    with alone(run_dir):
        # Broken off by a CI job that is cancelled it leaves no more behind than by Ctrl-C.
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.FAILED))
        try:
            with uninterrupted():
                change(run_dir, supervised(run_dir).as_asked())
        finally:
            signal.signal(signal.SIGTERM, before)


def _named(settings: DeployCodeSettings, present: Release) -> Release:
    return replace(
        present,
        code=str(settings.code or present.code),
        module=settings.module or present.module,
        version=settings.code_version,
    )


def _start(settings: DeployStartSettings) -> None:
    def change(run_dir: RunDir, state: ClusterState) -> None:
        release = _named(settings, canary.main_release(run_dir, state))
        print(
            f"starting {counted(settings.workers, 'worker')} for {release.module} in {release.code} …",
            flush=True,
        )
        sent = canary.send(
            run_dir, state, release, settings.workers, settings.percent, settings.start_timeout_s
        )
        print(f"ready: {settings.percent:g}% of new connections are put on track {sent.track}")
        print("  next     trunkline deploy status | share PERCENT | promote | rollback")

    _changing(settings, change)


def _promote(settings: DeployPromoteSettings) -> None:
    def change(run_dir: RunDir, state: ClusterState) -> None:
        release = canary.promote(run_dir, state, settings.start_timeout_s)
        print(f"promoted: every worker runs {release.module} in {release.code}")

    _changing(settings, change)


def _rollback(settings: DeployRollbackSettings) -> None:
    def change(run_dir: RunDir, state: ClusterState) -> None:
        release = canary.roll_back(run_dir, state)
        print(f"rolled back: track {release.track} is gone, its connections are served by the main track")

    _changing(settings, change)


def _roll(settings: DeployRollSettings) -> None:
    def change(run_dir: RunDir, state: ClusterState) -> None:
        before = canary.main_release(run_dir, state)
        _named(settings, replace(before, since_s=time.time())).save(run_dir.release("worker"))
        try:
            roll(
                run_dir, state, settings.role, settings.start_timeout_s, lambda text: print(text, flush=True)
            )
        except BaseException:
            before.save(run_dir.release("worker"))
            raise
        print(f"replaced: {state.wanted(settings.role)} processes, {settings.role}")

    if settings.role == "interface" and (settings.code or settings.module or settings.code_version):
        raise ConfigError(
            "--code, --module and --code-version are of workers: interface servers run no code of yours"
        )
    _changing(settings, change)


def _share(settings: DeployShareSettings) -> None:
    track = settings.track or canary.present(RunDir(settings.run_dir)).track
    layer = layer_settings(settings.run_dir, settings)
    asyncio.run(canary.set_share(layer, track, settings.percent))
    if settings.percent and not asyncio.run(canary.has_workers(layer, track)):
        print(
            f"{settings.percent:g}% of new connections are put on track {track} once it has a worker: now it has none"
        )
    else:
        print(f"{settings.percent:g}% of new connections are put on track {track}")


def _status(settings: DeployStatusSettings) -> None:
    versions = asyncio.run(_look(settings))
    if settings.as_json:
        print(json.dumps([version.as_json() for version in versions], indent=2))
    else:
        print("\n".join(table(versions)))


async def _look(settings: DeployStatusSettings) -> list[Any]:
    layer = layer_settings(settings.run_dir, settings)
    stats = await stats_of(layer)
    if stats.away:
        print(f"trunkline deploy status: {said(stats.away)}", file=sys.stderr)
    workers = stats.workers
    async with ShardedTrackShares(layer) as tracks:
        shares, _ = await tracks.all()
    admins = [worker.admin for worker in workers]
    first, began_s = await expositions(admins), time.monotonic()
    await asyncio.sleep(settings.interval_s)
    second = await expositions(admins)
    return compare(workers, shares, first, second, time.monotonic() - began_s)


VERBS: dict[str, tuple[type[Settings], str, Callable[[Any], None]]] = {
    "start": (DeployStartSettings, "try new code with a part of the new connections", _start),
    "share": (DeployShareSettings, "change how many new connections a track gets", _share),
    "status": (DeployStatusSettings, "compare errors and latency of the versions that run", _status),
    "promote": (DeployPromoteSettings, "make the new code everybody's, worker by worker", _promote),
    "rollback": (DeployRollbackSettings, "take the new code back", _rollback),
    "roll": (
        DeployRollSettings,
        "replace workers or interface servers one by one, by default with the same code",
        _roll,
    ),
}

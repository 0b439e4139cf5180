"""A canary: new code tried with a part of the new connections, then promoted or rolled back. On one machine.

Its workers serve a track of their own (see `trunkline.protocol.tracks`), with a name that was never used before:
connections of an earlier canary, which the main track has served since, are not handed to a third version.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from trunkline.protocol.errors import TrunklineError
from trunkline.protocol.redis_layer.track_shares import ShardedTrackShares
from trunkline.protocol.settings import LayerSettings
from trunkline.protocol.sharding.asking import said
from trunkline.protocol.tracks import MAIN

from . import supervisor
from .circus_config import KILL_AFTER_S
from .release import Release
from .rolling import roll, start
from .rundir import ClusterState, RunDir

ROLE = "canary"


class NoCanary(TrunklineError):
    """The command is about a canary, and there is none; or the other way round."""


def present(run_dir: RunDir) -> Release:
    """The canary that is out.

    Raises:
        NoCanary: there is none.
        ConfigError: its file cannot be read.
    """
    found = Release.load(run_dir.release(ROLE))
    if found is None:
        raise NoCanary("no canary is out: 'trunkline deploy start' sends one")
    return found


def main_release(run_dir: RunDir, state: ClusterState) -> Release:
    """What the workers of the main track run.

    Raises:
        ConfigError: its file cannot be read.
    """
    return Release.load(run_dir.release("worker")) or Release(str(Path.cwd()), state.routing)


def send(
    run_dir: RunDir, state: ClusterState, release: Release, workers: int, percent: float, patience_s: float
) -> Release:
    """Starts workers of a release, then gives them their share. If they do not come up nothing is left of them.

    Raises:
        NoCanary: there is one already.
        NotReady: the workers do not come up.
        SupervisorError: circus does not do what it is asked to.
        LayerUnavailable: Redis does not answer.
    """
    if Release.load(run_dir.release(ROLE)) is not None:
        raise NoCanary("a canary is out already: 'trunkline deploy promote' or 'rollback' ends it")
    release = replace(release, track=f"{ROLE}-{secrets.token_hex(4)}", since_s=time.time())
    release.save(run_dir.release(ROLE))
    canary = replace(state, canaries=workers)
    run_dir.save(canary)
    try:
        start(run_dir, canary, ROLE, patience_s)
        asyncio.run(set_share(state.layer_settings(), release.track, percent))
    except BaseException:
        _end(run_dir, canary)
        raise
    return release


def promote(run_dir: RunDir, state: ClusterState, patience_s: float) -> Release:
    """Makes the canary's release everybody's: new connections are put on its track while the main track's workers are
    replaced; then on the main track again, and the canary's connections follow when its workers are gone.

    If a new worker does not come up, those that were replaced before stay, and everything else is as before.

    Raises:
        NoCanary: there is none.
        NotReady: a new worker does not come up.
        SupervisorError: circus does not do what it is asked to.
        LayerUnavailable: Redis does not answer.
    """
    canary, before, layer = present(run_dir), main_release(run_dir, state), state.layer_settings()
    share = asyncio.run(share_of(layer, canary.track))
    replace(canary, track=MAIN, since_s=time.time()).save(run_dir.release("worker"))
    try:
        asyncio.run(set_share(layer, canary.track, 100.0))
        roll(run_dir, state, "worker", patience_s, print)
    except BaseException:
        before.save(run_dir.release("worker"))
        asyncio.run(set_share(layer, canary.track, share))
        raise
    roll_back(run_dir, replace(state, routing=canary.module))
    return canary


def roll_back(run_dir: RunDir, state: ClusterState) -> Release:
    """Ends the canary: new connections are put on the main track at once, and its own follow when its workers have
    finished what they hold.

    Raises:
        NoCanary: there is none.
        SupervisorError: circus does not do what it is asked to.
        LayerUnavailable: Redis does not answer, or no shard; nothing was changed.
    """
    canary = present(run_dir)
    away = asyncio.run(take_share(state.layer_settings(), canary.track))
    if away:
        print(f"the canary's share is remembered there, and worth nothing without its workers: {said(away)}")
    _end(run_dir, state)
    return canary


def _end(run_dir: RunDir, state: ClusterState) -> None:
    # First the number: what a canary that crashes again and again has on its conscience is not started again.
    run_dir.save(replace(state, canaries=0))
    pids = [member.pid for member in supervisor.members(state.cluster) if member.role == ROLE]
    supervisor.retire(run_dir, pids, state.drain_s + KILL_AFTER_S)
    supervisor.set_number(run_dir, ROLE, 0)
    run_dir.release(ROLE).unlink(missing_ok=True)


async def set_share(layer: LayerSettings, track: str, percent: float) -> None:
    """Gives a track its share of new connections, on every shard; 0 takes it away.

    Raises:
        LayerUnavailable: Redis does not answer, or a shard.
    """
    async with ShardedTrackShares(layer) as shares:
        await shares.set(track, percent)


async def take_share(layer: LayerSettings, track: str) -> Mapping[int, str]:
    """See `ShardedTrackShares.take`."""
    async with ShardedTrackShares(layer) as shares:
        return await shares.take(track)


async def has_workers(layer: LayerSettings, track: str) -> bool:
    """Whether a worker serves a track now.

    Raises:
        LayerUnavailable: Redis does not answer.
    """
    async with ShardedTrackShares(layer) as shares:
        found, now_ms = await shares.all()
        return any(share.name == track and share.alive(now_ms) for share in found)


async def share_of(layer: LayerSettings, track: str) -> float:
    """The share of a track in percent.

    Raises:
        LayerUnavailable: Redis does not answer.
    """
    async with ShardedTrackShares(layer) as shares:
        return next((share.percent for share in (await shares.all())[0] if share.name == track), 0.0)

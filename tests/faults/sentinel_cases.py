"""Cases of a Redis that Sentinel watches: another becomes the primary under load."""

from __future__ import annotations

import asyncio
from functools import partial

from tests.faults.cases import FORGOTTEN, Case
from tests.faults.promises import Promises
from tests.faults.redises.watched import Watched
from tests.faults.scene import Scene
from tests.support.sentinels import SentinelSet, Server, wait_for

WITHIN_S = 15.0
"""The primary is missed for a second, the Sentinels elect who acts, that one promotes a replica, the others follow."""


def _watched(scene: Scene) -> SentinelSet:
    assert isinstance(scene.cluster.redises, Watched)
    return scene.cluster.redises.set


async def _other_primary(watched: SentinelSet, port: int) -> None:
    """Waits until Sentinel tells of another primary, and who is left follows it."""

    def followed() -> bool:
        primary = watched.primary
        others = [one for one in watched.redises if one is not primary and one.process.exit_code is None]
        return primary.port != port and all(one.is_replica_of(primary.port) for one in others)

    await asyncio.to_thread(wait_for, followed, "another primary, and all follow it")


async def _about_to_be_struck(scene: Scene) -> Server:
    """The primary, whose replicas have all that it had a moment ago."""
    watched = _watched(scene)
    primary = watched.primary
    scene.forgot_from_s = asyncio.get_running_loop().time()
    await asyncio.to_thread(watched.caught_up)
    scene.struck()
    return primary


async def killed(scene: Scene) -> None:
    """The primary is killed; nobody starts it again before the case is over."""
    watched = _watched(scene)
    primary = await _about_to_be_struck(scene)
    await asyncio.to_thread(primary.process.kill)
    await _other_primary(watched, primary.port)
    scene.mended()


async def killed_and_back(scene: Scene) -> None:
    """The primary is killed, and comes back as a replica while the load goes on."""
    watched = _watched(scene)
    primary = watched.primary
    await killed(scene)
    await asyncio.to_thread(primary.restart)
    await _other_primary(watched, primary.port)


async def stood_still(scene: Scene) -> None:
    """The primary stands still until another has its place, wakes up, and takes itself for the primary for a moment."""
    watched = _watched(scene)
    primary = await _about_to_be_struck(scene)
    primary.process.pause()
    await asyncio.to_thread(wait_for, lambda: watched.primary is not primary, "another primary")
    primary.process.resume()
    await _other_primary(watched, primary.port)
    scene.mended()


async def failed_over(scene: Scene) -> None:
    """``SENTINEL FAILOVER``: the primary of before takes writes until it is told that it is a replica now."""
    watched = _watched(scene)
    primary = watched.primary
    scene.forgot_from_s = asyncio.get_running_loop().time()
    scene.struck()
    await asyncio.to_thread(watched.fail_over)
    await _other_primary(watched, primary.port)
    scene.mended()


async def failed_over_in_order(scene: Scene) -> None:
    """The same as docs/redis.md has it: the primary takes no writes from before, so none is forgotten."""
    watched = _watched(scene)
    primary = watched.primary
    scene.struck()
    await asyncio.to_thread(watched.fail_over_in_order)
    await _other_primary(watched, primary.port)
    scene.mended()


_make = partial(Case, within_s=WITHIN_S, from_strike=True)
SENTINEL_CASES: tuple[Case, ...] = (
    _make("SENTINEL FAILOVER with writes paused", failed_over_in_order, Promises()),
    _make("SENTINEL FAILOVER", failed_over, FORGOTTEN),
    _make("primary SIGKILL and back", killed_and_back, FORGOTTEN),
    _make("primary SIGSTOP until another is promoted", stood_still, FORGOTTEN),
    _make("primary SIGKILL", killed, FORGOTTEN),
)

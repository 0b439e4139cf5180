"""What is done to Redis itself, and to the data in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import redis.asyncio

from tests.faults.proxy import Point
from tests.faults.redises.kind import catch_up
from tests.faults.scene import Scene
from tests.support.waiting import until
from trunkline.protocol.names import RECEIVE

RedisFault = Callable[[Scene], Awaitable[None]]

STOPPED_S = 3.0
WENT_ON = 300
"""Replies between two losses."""
POSTPONED_S = 2.0
"""So long Redis puts off the write of what it answered, while an fsync goes on (Redis, aof.c)."""
END_BYTES = 200_000
"""The part of a file that is lost, at most: what was written before the case is not."""


async def killed(scene: Scene) -> None:
    """SIGKILL, and a new start on what was written down."""
    async with scene.cluster.redises.patience():
        server = await scene.cluster.redises.struck()
        scene.struck()
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.restart)
        scene.mended()


async def killed_as_it_is(scene: Scene) -> None:
    """The same with ``appendfsync everysec``: what it answered while an fsync took its time is not written down."""
    async with scene.cluster.redises.patience():
        server = await scene.cluster.redises.struck()
        scene.forgot_from_s = asyncio.get_running_loop().time()
        await asyncio.sleep(POSTPONED_S)  # Not a wait for something: nothing older is held back.
        scene.struck()
        server.process.kill()
        await asyncio.to_thread(server.restart)
        scene.mended()


async def killed_and_away(scene: Scene) -> None:
    """The same, but it takes as long as a lease until somebody starts it again."""
    async with scene.cluster.redises.patience():
        server = await scene.cluster.redises.struck()
        scene.struck()
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(STOPPED_S)  # Not a wait for something: this is how long there is no Redis.
        await asyncio.to_thread(server.restart)
        scene.mended()


async def stopped(scene: Scene) -> None:
    """SIGSTOP, and SIGCONT after as long as a lease."""
    async with scene.cluster.redises.patience():
        server = await scene.cluster.redises.struck()
        scene.struck()
        server.process.pause()
        await asyncio.sleep(STOPPED_S)  # Not a wait for something: this is how long Redis hangs.
        server.process.resume()
        scene.mended()


async def lost_power(scene: Scene) -> None:
    """SIGKILL, and of what was written down the end has not reached the disk."""
    async with scene.cluster.redises.patience():
        server = await scene.cluster.redises.struck()
        scene.forgot_from_s = asyncio.get_running_loop().time()
        file = server.appendonly_file
        before = file.stat().st_size
        await scene.load.goes_on(WENT_ON)
        scene.struck()
        server.process.kill()
        size = file.stat().st_size
        with file.open("r+b") as written:
            written.truncate(max(min(before, size), size - END_BYTES))
        await asyncio.to_thread(server.restart)
        scene.mended()


async def replaced_by_a_lagging_replica(scene: Scene) -> None:
    """The master dies, and its replica takes over without the last writes."""
    async with scene.cluster.redises.heir() as heir:
        scene.forgot_from_s = asyncio.get_running_loop().time()
        await catch_up(heir.primary, heir.replica)
        await heir.hold_up()
        await scene.load.goes_on(WENT_ON)
        assert await heir.lacks_bytes() > 0
        scene.struck()
        await heir.inherit()
        scene.mended()


async def forgot_once(scene: Scene) -> None:
    """FLUSHALL."""
    async with scene.cluster.processes.data() as data:
        await data.flushall()
    scene.struck()
    scene.mended()


async def forgot_everything(scene: Scene) -> None:
    """FLUSHALL, thrice."""
    async with scene.cluster.processes.data() as data:
        scene.struck()
        scene.forgot_from_s = scene.struck_s
        for _ in range(3):
            await data.flushall()
            scene.mended()
            await scene.load.goes_on(WENT_ON)


async def out_of_memory(scene: Scene) -> None:
    """``maxmemory`` is reached, then raised."""
    async with scene.cluster.processes.data() as data:
        theirs = await scene.on_the_struck()
        await data.config_set("maxmemory", "1")
        scene.struck()
        await scene.load.stuck(theirs)
        await data.config_set("maxmemory", "0")
        scene.mended()


async def disk_full(scene: Scene) -> None:
    """Nothing can be written down, so Redis refuses every write; then there is room again."""
    server = await scene.cluster.redises.struck()
    theirs = await scene.on_the_struck()
    async with scene.cluster.processes.data() as data:

        async def refuses() -> bool:
            return bool((await data.info("persistence"))["aof_last_write_status"] == "err")

        scene.struck()
        server.fill_disk()
        await until(refuses, 10, "Redis refuses writes")
        await scene.load.stuck(theirs)
        server.free_disk()
        scene.mended()


async def without_group(scene: Scene) -> None:
    """XGROUP DESTROY of the channel that frames come on."""
    await _with_stream(scene, lambda data, stream, group: data.xgroup_destroy(stream, group))


async def without_stream(scene: Scene) -> None:
    """DEL of the stream that frames come on."""
    await _with_stream(scene, lambda data, stream, group: data.delete(stream))


async def without_scripts(scene: Scene) -> None:
    """SCRIPT FLUSH."""
    await _with_stream(scene, lambda data, stream, group: data.script_flush())


async def _with_stream(
    scene: Scene, act: Callable[[redis.asyncio.Redis, str, str], Awaitable[object]]
) -> None:
    """In a moment when entries are in the workers' hands, and others wait in the stream."""
    keys = scene.cluster.keys
    workers = scene.cluster.workers
    async with scene.cluster.processes.data() as data:
        commits = [worker.proxy.armed(Point("commit", "before")) for worker in workers]
        held = [await arming for arming in commits]
        for worker in workers:
            worker.process.pause()
        await scene.load.stuck()
        scene.struck()
        await act(data, keys.stream(RECEIVE), keys.consumer_group)
        scene.mended()
        for worker, commit in zip(workers, held, strict=True):
            worker.process.resume()
            commit.go()

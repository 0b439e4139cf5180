"""Does what the plan says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

from tests.faults.soak.fleet import CLIENT_NAMES, Fleet, Slot
from tests.faults.soak.plan import Step
from trunkline.protocol.exit_codes import ExitCode


class Strikes:
    """Those of a soak. Each runs in a task of its own, because the next does not wait for its end.

    Args:
        fleet: who is struck.
        fault: told what a process did wrong: kind and text.

    Attributes:
        done: how many of each kind.
        skipped: those whose victims all were under another fault.
    """

    def __init__(self, fleet: Fleet, fault: Callable[[str, str], None]) -> None:
        self.done: Counter[str] = Counter()
        self.skipped = 0
        self._fleet = fleet
        self._fault = fault
        self._running: set[asyncio.Task[None]] = set()
        self._failed: list[BaseException] = []

    async def run(self, steps: Iterable[Step]) -> None:
        """Does them at their times, from now on. Raises what one of them raised."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for step in steps:
            await asyncio.sleep(max(0.0, began_s + step.at_s - loop.time()))
            task = asyncio.create_task(self._do(step), name=str(step))
            self._running.add(task)
            task.add_done_callback(self._end)
            self._raise_failure()
        await self.settle()

    async def settle(self) -> None:
        """Waits until all of them are over and everybody runs again."""
        while self._running:
            await asyncio.wait(tuple(self._running))
        self._raise_failure()

    def _end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed.append(error)

    def _raise_failure(self) -> None:
        if self._failed:
            raise self._failed[0]

    async def _do(self, step: Step) -> None:
        target, _, what = step.kind.partition(" ")
        if step.kind == "connections cut":
            if self._fleet.redis_busy:
                self.skipped += 1
                return
            await asyncio.to_thread(self._fleet.cut, CLIENT_NAMES[step.place % len(CLIENT_NAMES)])
        elif target == "redis":
            if self._fleet.redis_busy:
                self.skipped += 1
                return
            await self._strike_redis(what, step.lasts_s)
        else:
            slot = self._victim(target, step.place, may_be_elder=what == "pause")
            if slot is None:
                self.skipped += 1
                return
            slot.busy = True
            await self._strike(slot, what, step.lasts_s)
            slot.busy = False
        self.done[step.kind] += 1

    def _victim(self, target: str, place: int, *, may_be_elder: bool) -> Slot | None:
        slots = self._fleet.workers if target == "worker" else self._fleet.interfaces
        turned = slots[place % len(slots) :] + slots[: place % len(slots)]
        return next((slot for slot in turned if not slot.busy and (may_be_elder or not slot.elder)), None)

    async def _strike(self, slot: Slot, what: str, lasts_s: float) -> None:
        process = slot.process
        assert process is not None, "a slot that is not busy has a process"
        if what == "pause":
            process.pause()
            await asyncio.sleep(lasts_s)
            process.resume()
            return
        if what == "kill":
            process.kill()
            await self._fleet.fill(slot)
            return
        process.terminate()
        code, _ = await asyncio.gather(process.ends(), self._fleet.fill(slot))
        if code != ExitCode.OK:
            self._fault("exit", f"{process.name} ended with {code} on SIGTERM")

    async def _strike_redis(self, what: str, lasts_s: float) -> None:
        fleet = self._fleet
        fleet.redis_busy = True
        if what == "pause":
            fleet.redis.process.pause()
            await asyncio.sleep(lasts_s)
            fleet.redis.process.resume()
        else:
            fleet.redis.process.kill()
            await asyncio.sleep(lasts_s)
            await asyncio.to_thread(fleet.restart_redis)
        fleet.redis_busy = False

"""The scene of a case: the cluster under load, whom the fault strikes, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.faults.cluster import Cluster, Node, Role
from tests.faults.load import Load, Talker
from tests.support.waiting import until

UNDER_WAY_S = 0.5
"""Effects of a frame may come so much later than it, and a delayed message does (`app.DELAY_S`)."""
WHOLE_WITHIN_S = 1.0
"""So long after the last that waited has its reply, nothing is missing any more of what Redis forgot: groups,
registrations, consumer groups."""
MEMORABLE = 300
"""Frames that are sent before all that Redis may have forgotten, and as many behind it: they are held to every promise,
or a case in which Redis forgets would say nothing."""


@dataclass(slots=True)
class Scene:
    """What a fault acts on.

    Attributes:
        cluster: of the case.
        load: under way.
        struck_s: when the fault began, by the loop's clock; 0 before.
        mended_s: when its cause was gone (Redis answers again, memory is free); 0 if recovery counts from its begin.
        forgot_from_s: Redis knows nothing of what happened from then to the fault.
        patience_s: how long a process that sleeps or is cut off waits for being declared dead; None: until it is, or
            the case fails.
        fenced: interface servers that start over and must be waited for.
        buried: workers that were declared dead and must be waited for.
        leaving: processes that were told to end.
    """

    cluster: Cluster
    load: Load
    struck_s: float = 0.0
    mended_s: float = 0.0
    forgot_from_s: float = 0.0
    patience_s: float | None = None
    fenced: list[Node] = field(default_factory=list)
    buried: list[Node] = field(default_factory=list)
    leaving: list[Node] = field(default_factory=list)

    def victim(self, role: Role) -> Node:
        """Whom cases of this role strike: the first. The witness is with the second interface server."""
        return (self.cluster.workers if role == "worker" else self.cluster.interfaces)[0]

    def struck(self) -> None:
        """The fault begins; of several the first counts."""
        self.struck_s = self.struck_s or asyncio.get_running_loop().time()

    def mended(self) -> None:
        """Its cause is gone."""
        self.mended_s = asyncio.get_running_loop().time()

    async def until_buried(self, victim: Node) -> None:
        """Waits until a process was declared dead and buried, and notes that it has to come back."""
        (self.buried if victim.role == "worker" else self.fenced).append(victim)
        try:
            await self.cluster.until_buried(victim, self.patience_s)
        except AssertionError:
            if self.patience_s is None:
                raise

    def may_be_forgotten(self) -> Callable[[str, int], bool]:
        """Whether the effects of a frame, by its sender and number, fell in the time that Redis forgot, or in which it
        was told again. The load has finished."""
        talkers = {talker.record.name: talker for talker in self.load.talkers}
        from_s, to_s = self._forgotten_from_s(self.forgot_from_s), self._forgotten_to_s()
        return lambda sender, number: talkers[sender].sent_between(number, from_s, to_s)

    async def has_a_past(self, frames: int = MEMORABLE) -> None:
        """Waits until Redis, if it forgets from now on, knows of so many."""
        clock = asyncio.get_running_loop().time
        await until(
            lambda: self.load.sent_before(self._forgotten_from_s(clock())) >= frames,
            self.load.waits.replies_s,
            f"{frames} frames that are not forgotten",
        )

    async def has_a_future(self) -> None:
        """Waits until enough was sent behind what Redis forgot."""
        await until(
            lambda: self.remembered()[1] >= MEMORABLE,
            self.load.waits.replies_s,
            f"{MEMORABLE} frames behind those that are forgotten",
        )

    def remembered(self) -> tuple[int, int]:
        """How many frames were sent before those whose effects Redis may have forgotten, and how many behind them."""
        load = self.load
        before = load.sent_before(self._forgotten_from_s(self.forgot_from_s))
        return before, load.sent - load.sent_before(self._forgotten_to_s())

    def _forgotten_from_s(self, forgot_from_s: float) -> float:
        # A frame may wait for the end of its window, and then for its worker; what it sends in the background makes a
        # second trip. On a busy machine these take what replies took.
        return forgot_from_s - UNDER_WAY_S - 2 * self.load.slowest_s(forgot_from_s)

    def _forgotten_to_s(self) -> float:
        over_s = max(self.mended_s, self.struck_s)
        to_s = over_s + WHOLE_WITHIN_S
        if not self.cluster.redises.alone:
            # Where another Redis takes over, it is told again as late as replies come.
            to_s += self.load.recovery_s(over_s, to_s)
        return to_s

    async def on_the_struck(self) -> list[Talker]:
        """The connections that live on the Redis which cases strike."""
        names = await self.cluster.sessions(await self.cluster.redises.struck_shards())
        return [talker for talker in self.load.talkers if talker.record.name in names]

    @property
    def victims(self) -> list[Talker]:
        """The connections of the interface server that cases strike."""
        return [talker for talker in self.load.talkers if talker.interface == 0]

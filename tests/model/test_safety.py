"""The protocol in all its histories: nothing lost, nothing twice, nothing out of order, whoever dies.

Each class is a machine of `tests.model.machine` with the invariants of `tests.model.invariants`.
"""

from __future__ import annotations

import pytest

from . import invariants, machine
from .budget import LIMIT_S, case, explore
from .world import World

pytestmark = pytest.mark.timeout(LIMIT_S)


class LittleRoom(machine.AnswersAreLost):
    """Streams are full, so that publications are refused, and the answers that say so are lost."""

    capacity = 2


class TakeOver(machine.WorkersDie):
    """What is sent early is the difficult part of a take-over."""

    plans = ("early", "say")


class Groups(machine.AnswersAreLost):
    """Joining and leaving while others do."""

    plans = ("join", "part", "say")


class LostWhileDying(machine.RedisFalls, machine.AnswersAreLost, machine.InterfacesDie):
    """Redis loses data, and interface servers are declared dead."""


class Sleepers(machine.RedisFalls, machine.InterfacesDie):
    """Interface servers sleep, and Redis loses everything, before or behind their burials."""

    def hold(self) -> None:
        super().hold()
        invariants.the_buried_are_silent(self.world.ledger)

    def settled(self, world: World) -> None:
        super().settled(world)
        invariants.the_buried_are_silent(world.ledger)


# Not those that are cut off, or whose leases run out while they are awake: see DESIGN.md, "What is not exactly once".
LostAsleep = machine.narrowed(
    Sleepers, "frame", "client_leaves", "interface_goes_on", "worker_goes_on", "mail_is_read", "answer_is_heard",
    "redis_takes_a_call", "renew", "interface_is_stopped", "interface_is_killed", "interface_wakes", "worker_buries",
    "redis_loses_everything",
)  # fmt: skip


class Overflow(machine.InterfacesDie):
    """Mailboxes hold next to nothing, so that who does not read at once is fenced."""

    mailbox_capacity = 2


TestPublishingIntoFullStreams = case(LittleRoom, explore(50))
TestMembersComeAndGo = case(Groups, explore(60))
TestWorkersDie = case(TakeOver, explore(60))
TestInterfacesDie = case(machine.InterfacesDie, explore(60))
TestMailboxesOverflow = case(Overflow, explore(60))
TestRedisLosesEverythingWhileInterfacesSleep = case(LostAsleep, explore(60))
TestEverybodyDies = case(machine.Deadly, explore(80, 50))
TestRedisLosesData = case(machine.Doomed, explore(80, 50))
TestRedisLosesDataWhileInterfacesDie = case(LostWhileDying, explore(60))

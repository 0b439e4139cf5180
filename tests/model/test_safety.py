"""The protocol in all its histories: nothing lost, nothing twice, nothing out of order, whoever dies.

Each class is a machine of `tests.model.machine` with the invariants of `tests.model.invariants`.
"""

from __future__ import annotations

import pytest

from . import machine
from .budget import LIMIT_S, case, explore

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


TestPublishingIntoFullStreams = case(LittleRoom, explore(50))
TestMembersComeAndGo = case(Groups, explore(60))
TestWorkersDie = case(TakeOver, explore(60))
TestInterfacesDie = case(machine.InterfacesDie, explore(60))
TestEverybodyDies = case(machine.Deadly, explore(80, 50))
TestRedisLosesData = case(machine.Doomed, explore(80, 50))
TestRedisLosesDataWhileInterfacesDie = case(LostWhileDying, explore(60))

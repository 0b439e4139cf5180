"""How many handlers may be at work at the same time."""

from __future__ import annotations

from trunkline.worker.slots import Slots


def test_as_many_can_be_taken_as_there_are_until_one_is_given_back() -> None:
    slots = Slots(2)
    assert [slots.take(), slots.take(), slots.take()] == [True, True, False]
    slots.give()
    assert slots.free == 1
    assert [slots.take(), slots.take()] == [True, False]

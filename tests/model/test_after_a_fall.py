"""What a fall of Redis behind what it had acknowledged costs beyond what is promised: histories that are not mended.

An interface server that finds itself ahead of Redis publishes again what Redis has lost and nobody has released. It
does not know which older entries have come back with the data: published before the fall, acknowledged after it, and
released long ago. They are handled again, whatever has happened since. Who mends that takes these histories out, and
the sentence in DESIGN.md with them.
"""

from __future__ import annotations

import pytest

from . import interface as interfaces
from . import invariants, machine, settling
from . import world as steps
from .words import RECEIVE

ME = "i1"


class History(machine.RedisFalls):
    """One open connection, c1, at i1; told step by step."""

    def __init__(self) -> None:
        super().__init__()
        self.begin(connections=1, workers=2)

    def says(self, plan: str) -> None:
        """The client sends something, and it is published."""
        self.set(interfaces.frames(self.world.interfaces[ME], {"c1": plan}))
        self.goes_on()

    def goes_on(self) -> None:
        self.world = settling.interface_goes_on(self.world, ME)

    def handled(self) -> None:
        """A worker handles what there is, and the interface server hears of it."""
        self.world = settling.worker_goes_on(self.world, "w0")
        self.goes_on()

    def end(self) -> None:
        self.world = settling.settle(self.world)
        invariants.settled_after_a_loss(self.world)


def a_join_that_came_back() -> History:
    """The client joins and leaves a room. Redis falls back to where the join was published and not handled."""
    history = History()
    history.says("join")
    history.world = steps.save(history.world)
    history.handled()
    history.says("part")
    history.handled()
    history.says("say")
    history.fall_back()
    return history


def test_an_event_that_came_back_is_handled_beside_the_one_that_was_published_again() -> None:
    history = a_join_that_came_back()
    history.goes_on()
    waiting = history.world.store.streams[RECEIVE].entries.values()
    assert [event.seq for event in waiting] == [1, 3]

    history.end()

    with pytest.raises(AssertionError, match=r"the session of c1: \(0, 3\), not \(0, 1, 3\)"):
        invariants.sessions_remember(history.world.ledger)


def test_a_group_that_was_left_since_has_its_member_again() -> None:
    history = a_join_that_came_back()
    assert "room" not in history.world.interfaces[ME].members

    history.end()

    assert history.world.interfaces[ME].members["room"] == ("c1",)


def test_a_connection_that_is_gone_stays_registered_and_its_group_stays_joined() -> None:
    history = History()
    history.world = steps.save(history.world)
    history.set(interfaces.close(history.world.interfaces[ME], "c1"))
    history.goes_on()
    history.handled()
    assert history.world.interfaces[ME].connections == {}
    history.fall_back()

    history.end()

    store = history.world.store
    assert set(store.registry[ME]) == set(store.sessions) == {"c1"}
    assert set(store.groups["lobby"]) == {ME}
    with pytest.raises(AssertionError, match="0 disconnects of c1, not 1"):
        invariants.disconnected_once(history.world)

"""Flow control of one connection."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from trunkline.interface.flow import IDLE, MAX_ENTRY_BYTES, Bound, Flow
from trunkline.protocol.messages import MAX_EVENTS_PER_ENTRY

BOUND = Bound(events=40, bytes=400)


def connected() -> Flow:
    flow = Flow(BOUND)
    flow.connect({"path": "/"})
    assert flow.release(0)
    return flow


def test_the_connect_event_is_number_0_and_an_entry_of_its_own() -> None:
    flow = Flow(BOUND)

    assert flow.connect({"a": 1}) == [{"a": 1}]
    assert flow.in_flight == 0
    assert flow.push("early", 5) is None


def test_a_message_leaves_at_once_when_nothing_is_in_flight() -> None:
    flow = connected()

    assert flow.push("a", 1) == ["a"]
    assert flow.in_flight == 1


def test_messages_that_came_meanwhile_leave_together_after_the_release() -> None:
    flow = connected()
    flow.push("a", 1)

    assert flow.push("b", 1) is None
    assert flow.push(b"c", 1) is None
    assert (flow.waiting, flow.held) == (2, 3)
    assert flow.release(1)
    assert flow.held == 2
    assert flow.take() == ["b", b"c"]
    assert flow.in_flight == 2
    assert flow.release(2)
    assert flow.take() is None
    assert flow.push("d", 1) == ["d"]
    assert flow.in_flight == 4


def test_an_entry_has_no_more_events_than_the_wire_allows() -> None:
    flow = connected()
    flow.push("first", 1)
    for number in range(MAX_EVENTS_PER_ENTRY + 3):
        flow.push(str(number), 1)

    flow.release(1)

    assert flow.take() == [str(number) for number in range(MAX_EVENTS_PER_ENTRY)]
    assert flow.waiting == 3


def test_an_entry_of_several_messages_is_bounded_in_bytes_but_a_large_one_goes_alone() -> None:
    flow = connected()
    flow.push("first", 1)
    for name in "abc":
        flow.push(name, MAX_ENTRY_BYTES - 1)

    flow.release(1)
    assert flow.take() == ["a"]
    flow.release(2)
    assert flow.take() == ["b"]


def test_it_is_full_by_number_or_by_bytes_and_low_at_half_of_both() -> None:
    flow = connected()
    flow.push("in flight", 1)
    assert flow.low
    assert not flow.full

    for _ in range(20):
        flow.push("x", 1)
    assert flow.low
    for _ in range(20):
        flow.push("x", 1)
    assert flow.full
    assert not flow.low

    flow = connected()
    flow.push("in flight", 1)
    flow.push("large", 400)
    assert flow.full
    assert not flow.low


def test_the_disconnect_comes_behind_everything_and_alone() -> None:
    flow = connected()
    flow.push("a", 1)
    flow.push("b", 1)

    assert flow.end({"code": 1000}) is None
    assert flow.push("too late", 1) is None
    flow.release(1)
    assert flow.take() == ["b"]
    assert not flow.disconnecting
    flow.release(2)
    assert flow.take() == [{"code": 1000}]
    assert flow.disconnecting
    assert flow.in_flight == 3
    assert flow.release(3)
    assert flow.take() is None


def test_the_disconnect_leaves_at_once_when_nothing_is_in_flight_and_only_once() -> None:
    flow = connected()

    assert flow.end({"code": 1000}) == [{"code": 1000}]
    assert flow.end({"code": 1001}) is None


def test_a_release_of_what_is_not_in_flight_is_a_replay() -> None:
    flow = connected()
    assert not flow.release(0)
    flow.push("a", 1)

    assert not flow.release(0)
    assert not flow.release(2)
    assert not flow.release(IDLE)
    assert flow.release(1)
    assert not flow.release(1)


class FlowMachine(RuleBasedStateMachine):
    """Whatever comes in whatever order: every event leaves once, in order, one entry in flight."""

    def __init__(self) -> None:
        super().__init__()
        self.flow = Flow(BOUND)
        self.given: list[Any] = ["connect"]
        self.left: list[Any] = []
        self.ended = False
        self.record(self.flow.connect({"connect": 1}))

    def record(self, events: list[Any] | None) -> None:
        if events is None:
            return
        assert self.flow.in_flight == len(self.left)
        assert 1 <= len(events) <= MAX_EVENTS_PER_ENTRY
        if isinstance(events[0], dict):
            assert len(events) == 1
        self.left += ["connect" if event == {"connect": 1} else event for event in events]

    @rule(text=st.text(max_size=3), size=st.integers(0, 200))
    def push(self, text: str, size: int) -> None:
        was_idle = self.flow.in_flight == IDLE and self.flow.waiting == 0
        events = self.flow.push(text, size)
        assert (events is not None) == (was_idle and not self.ended)
        if not self.ended:
            self.given.append(text)
        self.record(events)

    @rule()
    def end(self) -> None:
        if not self.ended:
            self.given.append({"code": 1})
            self.ended = True
        self.record(self.flow.end({"code": 1}))

    @precondition(lambda self: self.flow.in_flight != IDLE)
    @rule()
    def release(self) -> None:
        assert self.flow.release(self.flow.in_flight)
        self.record(self.flow.take())

    @rule(seq=st.integers(-5, 200))
    def replay(self, seq: int) -> None:
        if seq != self.flow.in_flight:
            assert not self.flow.release(seq)

    @invariant()
    def what_left_is_what_came(self) -> None:
        assert self.left == self.given[: len(self.left)]
        if self.flow.in_flight == IDLE:
            assert self.left == self.given
        assert not (self.flow.full and self.flow.low)


TestFlowMachine = FlowMachine.TestCase

"""How many processes a cluster should have: arithmetic, and what must hold of it whatever the load."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.protocol.process.desired import (
    WINDOW_S,
    Load,
    LoadMeter,
    Queue,
    Targets,
    interfaces_wanted,
    workers_for,
    workers_wanted,
)

TARGETS = Targets(wait_s=0.25, busy=0.5, connections=100, hold_s=60.0)
some = st.floats(0, 1e4)
busy = st.floats(0, 1)
loads = st.lists(st.builds(Load, busy, some, st.integers(0, 10**6)), max_size=8)
queues = st.lists(st.builds(Queue, st.integers(0, 10**5), st.floats(0.001, 1e4)), max_size=4)
targets = st.builds(
    Targets,
    st.floats(0.001, 10),
    st.floats(0.05, 1),
    st.integers(1, 10**5),
    st.integers(1, 50),
    st.integers(1, 50),
)


@pytest.mark.parametrize(
    ("arrivals_per_s", "service_s", "late", "wanted"),
    [
        (0, 0.05, 0, 1),
        (10, 0.05, 0, 1),  # half a worker at work, half busy as it shall be
        (40, 0.05, 0, 4),
        (41, 0.05, 0, 5),
        (40, 0.05, 400, 6),  # 20 s of work that waits, to be done within 10 s besides
        (0, 0.0, 5, 1),
    ],
)
def test_workers_follow_from_arrivals_and_service_time(
    arrivals_per_s: float, service_s: float, late: int, wanted: int
) -> None:
    assert workers_for(arrivals_per_s, service_s, late, TARGETS) == wanted


def test_a_cluster_as_busy_as_it_shall_be_stays_as_it_is() -> None:
    for count in range(1, 40):
        assert workers_wanted([Load(0.5, 10.0)] * count, 0, [], TARGETS) == count


def test_what_waits_tells_how_fast_entries_arrive_that_workers_cannot_take() -> None:
    # One worker takes 20 a second and can do no more; 40 a second come, so that after 2 s 40 wait.
    wanted = workers_wanted([Load(1.0, 20.0)], 0, [Queue(80, 2.0)], replace(TARGETS, busy=1.0))

    assert wanted == 3  # two for 40 a second, and 0.4 for those that wait


def test_what_waits_no_longer_than_it_may_asks_for_nothing() -> None:
    assert workers_wanted([Load(0.5, 10.0)], 0, [Queue(1000, 0.2)], TARGETS) == 1
    assert workers_wanted([Load(0.5, 10.0)], 0, [Queue(0, 9.0)], TARGETS) == 1


def test_where_nobody_takes_anything_one_more_is_wanted_than_is_at_work() -> None:
    stuck = [Queue(10, 5.0)]

    assert workers_wanted([], 0, stuck, TARGETS) == 1
    assert workers_wanted([], 2, stuck, replace(TARGETS, busy=1.0)) == 3
    assert workers_wanted([], 2, [], replace(TARGETS, busy=1.0)) == 2


def test_a_worker_that_tells_nothing_counts_as_busy() -> None:
    assert workers_wanted([Load(0.5, 10.0)], 1, [], TARGETS) == 3


def test_interfaces_follow_from_connections_or_from_cpu() -> None:
    assert interfaces_wanted([], TARGETS) == 1
    assert interfaces_wanted([Load(0.1, 0.0, 101), Load(0.1, 0.0, 100)], TARGETS) == 3
    assert interfaces_wanted([Load(0.9, 0.0, 1), Load(0.9, 0.0, 1)], TARGETS) == 4
    assert interfaces_wanted([], replace(TARGETS, min_interfaces=2)) == 2


@given(some, some, st.integers(0, 10**5), some, some, st.integers(0, 10**5), targets)
def test_more_of_anything_never_wants_fewer_workers(
    arrivals: float, service: float, late: int, more: float, longer: float, later: int, of: Targets
) -> None:
    few = workers_for(arrivals, service, late, of)

    assert few <= workers_for(arrivals + more, service, late, of)
    assert few <= workers_for(arrivals, service + longer, late, of)
    assert few <= workers_for(arrivals, service, late + later, of)
    assert few >= of.min_workers


@given(loads, st.integers(0, 5), queues, st.integers(0, 7), st.integers(1, 1000), targets)
def test_a_longer_queue_or_a_silent_worker_never_wants_fewer(
    told: list[Load], silent: int, waiting: list[Queue], which: int, more: int, of: Targets
) -> None:
    few = workers_wanted(told, silent, waiting, of)
    longer = [
        queue._replace(waiting=queue.waiting + more) if index == which else queue
        for index, queue in enumerate(waiting)
    ]

    assert few <= workers_wanted(told, silent, longer, of)
    assert few <= workers_wanted(told, silent + 1, waiting, of)
    assert few >= of.min_workers


def test_next_to_no_entries_tell_nothing_of_how_long_one_takes() -> None:
    assert workers_wanted([Load(0.0, 2.2e-313)], 1, [], Targets(busy=1.0)) == 1


@given(loads, busy, st.integers(0, 10**6), targets)
def test_one_more_loaded_interface_server_never_wants_fewer(
    told: list[Load], share: float, connections: int, of: Targets
) -> None:
    few = interfaces_wanted(told, of)

    assert of.min_interfaces <= few <= interfaces_wanted([*told, Load(share, 0.0, connections)], of)


def test_a_load_is_the_average_of_the_last_seconds() -> None:
    meter = LoadMeter()

    assert meter.note(0.0, 100.0, 50.0, {"loop": 7.0}, {"loop": 1}, 3) == Load(0.0, 0.0, 3)
    load = meter.note(4.0, 101.0, 90.0, {"loop": 10.0, "async": 40.0}, {"loop": 1, "async": 100}, 4)
    assert load == Load(0.75, 10.0, 4)
    for second in range(5, 40):
        load = meter.note(
            float(second), 101.0, 90.0, {"loop": 10.0, "async": 40.0}, {"loop": 1, "async": 100}
        )
    assert load == Load(0.0, 0.0, 0)


def test_a_busy_processor_counts_where_handlers_are_quick() -> None:
    meter = LoadMeter()
    meter.note(0.0, 0.0)

    assert meter.note(WINDOW_S, 9.0, 1000.0, {"loop": 0.1}, {"loop": 1}) == Load(0.9, 100.0, 0)
    assert meter.note(WINDOW_S, 9.0) == Load(0.9, 0.0, 0)

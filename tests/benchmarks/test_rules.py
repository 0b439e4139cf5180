"""Which runs are void."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.rules import faults, spared
from benchmarks.spec import Kind
from tests.benchmarks.reports import report


def test_a_run_whose_counts_agree_counts() -> None:
    assert faults(report(), Kind.PACED, latency=True) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lost": 2}, "2 connections were lost"),
        ({"duplicates": 4}, "4 messages arrived twice"),
        ({"mismatched": 3}, "3 messages were not the next ones"),
        ({"received": 99}, "100 messages were due for 100 sent, 99 arrived"),
        ({"received": 101}, "100 messages were due for 100 sent, 101 arrived"),
        ({"messages": 0}, "nothing arrived"),
        ({"generator_share": 0.71}, "the generator used 71%"),
    ],
)
def test_a_run_is_void_and_says_why(changes: dict[str, Any], words: str) -> None:
    found = faults(report(**changes), Kind.PACED, latency=True)
    assert len(found) == 1
    assert words in found[0]


def test_a_saturated_load_may_keep_its_generator_busy() -> None:
    assert faults(report(generator_share=0.95), Kind.CLOSED, latency=False) == []


def test_a_busy_generator_makes_latencies_void_whatever_the_load() -> None:
    assert faults(report(generator_share=0.95), Kind.CLOSED, latency=True)


def test_idle_connections_need_no_messages() -> None:
    assert faults(report(expected=0, received=0, messages=0), Kind.IDLE, latency=False) == []


def test_an_overload_may_leave_messages_unanswered_and_lose_connections() -> None:
    over = report(received=50, lost=3, capacity=100.0, offered=400)
    assert faults(over, Kind.OVERLOAD, latency=False, factor=2) == []


def test_an_overload_that_was_none_is_void() -> None:
    found = faults(report(capacity=100.0, offered=300), Kind.OVERLOAD, latency=False, factor=2)
    assert found == ["the generator offered 300 messages, 400 were wanted"]


def test_an_overload_in_which_a_message_came_twice_is_void() -> None:
    found = faults(report(capacity=100.0, offered=400, duplicates=1), Kind.OVERLOAD, latency=False, factor=2)
    assert found == ["1 messages arrived twice"]


def test_a_redis_that_had_some_of_its_part_left_was_not_the_bottleneck() -> None:
    used = report(window_s=2.0, cpu_us={"redis": 100_000.0, "redis-2": 88_000.0, "worker": 1000.0})
    assert spared(used, 0.05) == ["redis-2 used 4.4% of a core, it was not the bottleneck at 5.0%"]
    assert spared(used, 0.04) == []
    assert spared(report(cpu_us={"redis": 0.0}), 0.0) == []

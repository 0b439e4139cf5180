"""Vital signs: how late the event loop is, what the clock says."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.support.waiting import until
from trunkline.protocol.process import vitals
from trunkline.protocol.process.facts import MachineFacts
from trunkline.protocol.process.facts.samples import Samples
from trunkline.protocol.process.metrics import MetricSet
from trunkline.protocol.process.vitals import WINDOW_S, LoopLag, Vitals


def test_the_worst_lag_is_told_for_one_window_at_least_and_two_at_most() -> None:
    lag = LoopLag(0.0)
    lag.note(0.5, 1.0)
    lag.note(0.2, 2.0)

    assert lag.worst_s(2.0) == 0.5
    assert lag.worst_s(WINDOW_S + 1) == 0.5
    lag.note(0.1, WINDOW_S + 2)
    assert lag.worst_s(2 * WINDOW_S + 2) == 0.1
    assert lag.worst_s(9 * WINDOW_S) == 0.0


def told(metrics: MetricSet) -> Samples:
    return Samples(metrics.exposition().decode())


async def test_a_blocked_event_loop_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vitals, "BEAT_S", 0.01)
    metrics = MetricSet()
    signs = Vitals(metrics)
    signs.start()
    signs.start()
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251 - as a handler would

    await until(lambda: told(metrics).total("trunkline_loop_lag_seconds") >= 0.25)

    signs.stop()
    signs.stop()


def test_the_clock_and_the_kernels_bound_are_told() -> None:
    metrics = MetricSet()
    Vitals(metrics)

    samples = told(metrics)

    assert abs(samples.total("trunkline_clock_seconds") - time.time()) < 60.0
    assert samples.value("trunkline_somaxconn") == MachineFacts.read().somaxconn


def test_a_kernel_that_shows_no_bound_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MachineFacts, "read", MachineFacts)
    metrics = MetricSet()
    Vitals(metrics)

    assert "trunkline_somaxconn NaN" in metrics.exposition().decode()

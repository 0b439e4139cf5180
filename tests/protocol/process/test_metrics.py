"""Metrics: plain numbers that become Prometheus text, bounded labels, names checked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from trunkline.protocol.process.metrics import Histogram, MetricSet


def samples(metrics: MetricSet) -> dict[str, float]:
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            name = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert name not in found, f"{name} twice"
            found[name] = sample.value
    return found


def test_a_counter_counts_in_plain_integers_and_shows_with_prefix_and_suffix() -> None:
    metrics = MetricSet()
    frames = metrics.counter("frames_in", "Frames received.")
    frames.value += 3
    assert type(frames.value) is int
    assert samples(metrics)["trunkline_frames_in_total"] == 3
    assert "# HELP trunkline_frames_in_total Frames received." in metrics.exposition().decode()


def test_a_counter_that_somebody_else_counts_is_shown_while_its_value_is_known() -> None:
    metrics = MetricSet()
    values = iter([3.0, None])
    metrics.counter_elsewhere("trimmed", "What made room.", lambda: next(values))
    assert "trunkline_trimmed_total 3.0" in metrics.exposition().decode()
    unknown = metrics.exposition().decode()
    assert "# TYPE trunkline_trimmed_total counter" in unknown
    assert "\ntrunkline_trimmed_total " not in unknown


def test_a_labelled_counter_shows_each_combination() -> None:
    metrics = MetricSet()
    handled = metrics.labelled_counter("handled", "Messages.", ("channel", "outcome"))
    handled.get("a", "ok").value += 1
    handled.get("a", "ok").value += 1
    handled.get("a", "error").value += 1
    found = samples(metrics)
    assert found["trunkline_handled_total{channel=a,outcome=ok}"] == 2
    assert found["trunkline_handled_total{channel=a,outcome=error}"] == 1


def test_the_metric_of_label_values_is_the_same_object_each_time() -> None:
    handled = MetricSet().labelled_counter("handled", "Messages.", ("channel",))
    assert handled.get("a") is handled.get("a") and handled.get("a") is not handled.get("b")


def test_label_values_beyond_the_limit_fold_into_other_and_take_no_memory() -> None:
    metrics = MetricSet()
    dropped = metrics.labelled_counter("dropped", "Drops.", ("channel", "reason"), limit=2)
    for name in ("a", "b", "c", "d", "a"):
        dropped.get(name, "full").value += 1
    assert dropped.get("e", "x") is dropped.get("f", "y")
    found = samples(metrics)
    assert found["trunkline_dropped_total{channel=a,reason=full}"] == 2
    assert found["trunkline_dropped_total{channel=b,reason=full}"] == 1
    assert found["trunkline_dropped_total{channel=other,reason=other}"] == 2
    assert len(list(dropped)) == 3


def test_a_labelled_metric_has_two_hundred_combinations_by_default() -> None:
    handled = MetricSet().labelled_counter("handled", "Messages.", ("channel",))
    assert len({id(handled.get(str(number))) for number in range(300)}) == 201


def test_too_few_label_values_are_refused() -> None:
    handled = MetricSet().labelled_counter("handled", "Messages.", ("channel", "route"))
    with pytest.raises(ValueError, match=r"\('a',\): expected one for each of channel, route"):
        handled.get("a")


def test_a_label_value_with_a_lone_surrogate_or_a_quote_leaves_the_exposition_whole() -> None:
    metrics = MetricSet()
    handled = metrics.labelled_counter("handled", "Messages.", ("route",))
    handled.get('a"\n\\').value += 1
    handled.get("\ud800").value += 1
    found = samples(metrics)
    assert found['trunkline_handled_total{route=a"\n\\}'] == 1
    assert found["trunkline_handled_total{route=\\ud800}"] == 1


def test_a_histogram_puts_each_value_into_the_bucket_whose_bound_it_does_not_exceed() -> None:
    metrics = MetricSet()
    seconds = metrics.histogram("wait_seconds", "Waiting.", (0.1, 1, 10))
    for value in (0.05, 0.1, 0.5, 1.0, 99.0):
        seconds.observe(value)
    found = samples(metrics)
    assert [found[f"trunkline_wait_seconds_bucket{{le={le}}}"] for le in ("0.1", "1.0", "10.0", "+Inf")] == [
        2,
        4,
        4,
        5,
    ]
    assert found["trunkline_wait_seconds_count"] == 5
    assert found["trunkline_wait_seconds_sum"] == pytest.approx(100.65)


@given(st.lists(st.floats(0, 20), min_size=1, max_size=40))
def test_values_counted_at_once_are_counted_as_one_by_one(values: list[float]) -> None:
    once, singly = Histogram((0.1, 1, 10)), Histogram((0.1, 1, 10))
    for value in values:
        singly.observe(value)
    once.observe_all(values)
    assert once.counts == singly.counts
    assert once.sum == pytest.approx(singly.sum)


def test_a_labelled_histogram_keeps_each_combination_apart() -> None:
    metrics = MetricSet()
    seconds = metrics.labelled_histogram("handler_seconds", "Handlers.", (1,), ("route",))
    seconds.get("a").observe(0.5)
    seconds.get("b").observe(2)
    found = samples(metrics)
    assert found["trunkline_handler_seconds_bucket{le=1.0,route=a}"] == 1
    assert found["trunkline_handler_seconds_bucket{le=1.0,route=b}"] == 0
    assert found["trunkline_handler_seconds_bucket{le=+Inf,route=b}"] == 1


@pytest.mark.parametrize("buckets", [(), (1, 1), (2, 1), (1, float("inf")), (float("nan"),)])
def test_buckets_that_do_not_rise_or_are_not_finite_are_refused_when_declared(
    buckets: tuple[float, ...],
) -> None:
    for declare in (
        lambda: Histogram(buckets),
        lambda: MetricSet().histogram("a", "A.", buckets),
        lambda: MetricSet().labelled_histogram("a", "A.", buckets, ("b",)),
    ):
        with pytest.raises(ValueError, match="expected one or more finite numbers, rising"):
            declare()


def test_a_gauge_is_read_at_each_scrape() -> None:
    metrics = MetricSet()
    connections = [1]
    metrics.gauge("connections", "Open.", lambda: len(connections))
    assert samples(metrics)["trunkline_connections"] == 1
    connections.append(2)
    assert samples(metrics)["trunkline_connections"] == 2


def test_a_labelled_gauge_shows_what_is_read_and_beyond_the_limit_the_largest() -> None:
    metrics = MetricSet()
    lengths: dict[tuple[str, ...], float] = {("a",): 1, ("b",): 2}
    metrics.labelled_gauge("length", "Entries.", ("channel",), lambda: lengths, limit=2)
    assert samples(metrics)["trunkline_length{channel=b}"] == 2
    lengths.update({("c",): 9, ("d",): 5})
    found = {name: value for name, value in samples(metrics).items() if name.startswith("trunkline_length")}
    assert found == {
        "trunkline_length{channel=a}": 1,
        "trunkline_length{channel=b}": 2,
        "trunkline_length{channel=other}": 9,
    }


def test_the_process_and_its_garbage_collector_are_shown() -> None:
    found = samples(MetricSet())
    assert found["process_resident_memory_bytes"] > 0 and found["process_open_fds"] > 0
    assert "python_gc_collections_total{generation=2}" in found


def declare_each(metrics: MetricSet, name: str, help: str = "Help.", labels: Any = ("a",)) -> list[Any]:
    return [
        lambda: metrics.counter(name, help),
        lambda: metrics.labelled_counter(name, help, labels),
        lambda: metrics.histogram(name, help, (1,)),
        lambda: metrics.labelled_histogram(name, help, (1,), labels),
        lambda: metrics.gauge(name, help, float),
        lambda: metrics.labelled_gauge(name, help, labels, dict),
    ]


@pytest.mark.parametrize(
    "name", ["", "A", "a-b", "a__b", "_a", "1a", "a_total", "a_count", "a_bucket", "trunkline_a"]
)
def test_a_name_that_is_not_allowed_is_refused(name: str) -> None:
    for declare in declare_each(MetricSet(), name):
        with pytest.raises(ValueError, match="metric name"):
            declare()


def test_a_name_is_taken_once() -> None:
    metrics = MetricSet()
    metrics.counter("frames", "Frames.")
    for declare in declare_each(metrics, "frames"):
        with pytest.raises(ValueError, match="'frames' is taken"):
            declare()


def test_a_metric_without_help_is_refused() -> None:
    for declare in declare_each(MetricSet(), "frames", help=""):
        with pytest.raises(ValueError, match="metric frames: expected a help text"):
            declare()


@pytest.mark.parametrize("labels", [(), ("a", "a"), ("le",), ("A",), ("a-b",)])
def test_labels_that_are_not_allowed_are_refused(labels: tuple[str, ...]) -> None:
    metrics = MetricSet()
    for declare in declare_each(metrics, "frames", labels=labels)[1::2]:
        with pytest.raises(ValueError, match="metric frames: labels"):
            declare()

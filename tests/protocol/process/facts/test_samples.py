"""Samples: the text that processes tell, and what two of them say together."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from trunkline.protocol.process.facts.samples import Growth, Samples, merged, quantile
from trunkline.protocol.process.metrics import MetricSet

TEXT = """# HELP a_total x
# TYPE a_total counter
a_total{c="x y",d="{}"} 1.0
a_total{c="z"} 2
b 1e-3
broken nothing
"""


def test_samples_are_found_by_name_and_labels() -> None:
    samples = Samples(TEXT)

    assert samples.total("a_total") == 3.0
    assert samples.total("a_total", c="z") == 2.0
    assert samples.value("b") == 0.001
    assert samples.by("a_total", "c") == {"x y": 1.0, "z": 2.0}
    assert samples.by("a_total", "d") == {"{}": 1.0}
    assert samples.names == {"a_total", "b"}
    assert not samples.empty and Samples().empty


def test_what_is_not_there_is_none_and_counts_as_nothing() -> None:
    samples = Samples("a NaN\n")

    assert samples.value("a") is None and samples.value("b") is None
    assert samples.total("a") == samples.total("b") == 0.0


@given(st.text(), st.floats(allow_nan=False))
def test_it_reads_what_the_library_writes(label: str, value: float) -> None:
    metrics = MetricSet()
    metrics.labelled_gauge("g", "A gauge.", ["name"], lambda: {(label,): value, (f"{label}x",): 1.0})
    text = metrics.exposition().decode()

    found = dict((labels["name"], value) for labels, value in Samples(text).of("trunkline_g"))

    (family,) = [item for item in text_string_to_metric_families(text) if item.name == "trunkline_g"]
    assert found == {sample.labels["name"]: sample.value for sample in family.samples}


def test_growth_is_what_was_counted_between_two_looks() -> None:
    growth = Growth(Samples('n{k="a"} 10\nn{k="b"} 5\n'), Samples('n{k="a"} 4\n'), 2.0)

    assert growth.of("n", k="a") == 6.0
    assert growth.per_s("n") == 5.5
    assert growth.by("n", "k") == {"a": 6.0, "b": 5.0}


def test_a_process_that_began_anew_counts_from_nothing() -> None:
    assert Growth(Samples("n 3\n"), Samples("n 100\n"), 1.0).of("n") == 3.0


def test_without_an_earlier_look_it_is_all_since_the_start_and_without_time_no_rate() -> None:
    assert Growth(Samples("n 3\n"), None, 6.0).per_s("n") == 0.5
    assert Growth(Samples("n 3\n"), None, 0.0).per_s("n") == 0.0


def test_buckets_grow_and_are_added_up() -> None:
    now = Samples('h_bucket{le="1.0"} 4\nh_bucket{le="+Inf"} 6\n')
    growth = Growth(now, Samples('h_bucket{le="1.0"} 1\nh_bucket{le="+Inf"} 1\n'), 1.0)

    assert growth.buckets("h") == {1.0: 3.0, math.inf: 5.0}
    assert merged([{1.0: 3.0, math.inf: 5.0}, {1.0: 1.0}]) == {1.0: 4.0, math.inf: 5.0}


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ({}, 0.99, None),
        ({1.0: 0.0, math.inf: 0.0}, 0.99, None),
        ({1.0: 10.0, math.inf: 10.0}, 0.5, 0.5),
        ({1.0: 0.0, 2.0: 10.0, math.inf: 10.0}, 0.5, 1.5),
        ({1.0: 5.0, 2.0: 5.0, 4.0: 10.0, math.inf: 10.0}, 0.75, 3.0),
        ({1.0: 5.0, math.inf: 10.0}, 0.99, 1.0),
        ({math.inf: 10.0}, 0.99, 0.0),
    ],
)
def test_a_quantile_lies_evenly_within_its_bucket(
    buckets: dict[float, float], share: float, expected: float | None
) -> None:
    assert quantile(buckets, share) == expected


def test_a_share_beyond_all_is_the_last_finite_bound() -> None:
    assert quantile({1.0: 5.0, math.inf: 5.0}, 1.5) == 1.0

"""Metrics that cost the hot path an integer addition.

prometheus_client locks and looks up at every increment. Here code that runs for each message adds to plain
numbers, and only a scrape turns them into prometheus_client's families. All calls belong on the event loop's
thread, scrapes too, so there is nothing to lock. Every metric of a tier is declared in that tier's
``metrics.py``.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

PREFIX = "trunkline_"
OTHER = "other"
"""The label value of everything beyond a `Labelled`'s limit."""

LABEL_LIMIT = 200
"""Label combinations a metric may have. Prometheus keeps a time series for each, for weeks."""

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# Prometheus gives these endings to the samples of counters, histograms and info metrics itself.
_RESERVED_ENDINGS = ("_total", "_count", "_sum", "_bucket", "_created", "_info")

T = TypeVar("T")
Labels = tuple[str, ...]


class Counter:
    """A number that only rises. Code that counts writes ``counter.value += 1``; the value stays an `int`."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Histogram:
    """How often values fell into which bucket.

    Attributes:
        bounds: upper bounds of the buckets, inclusive and rising; one without a bound comes behind them.
        counts: how many values each bucket holds, not cumulated.
        sum: of all values.

    Raises:
        ValueError: the bounds are none, not rising or not finite.
    """

    __slots__ = ("_first", "bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        rising = all(low < high for low, high in pairwise(bounds))
        if not bounds or not rising or not all(map(math.isfinite, bounds)):
            raise ValueError(f"buckets {list(bounds)}: expected one or more finite numbers, rising")
        self.bounds = list(bounds)
        self._first = self.bounds[0]
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Counts a value, as often as it came."""
        # Most fall into the first bucket: a handler that only sends takes microseconds.
        self.counts[0 if value <= self._first else bisect_left(self.bounds, value)] += times
        self.sum += value * times

    def observe_all(self, values: list[float]) -> None:
        """Counts several values at once, for a third of what each would cost by itself.

        Args:
            values: one or more; sorted in place.
        """
        values.sort()
        self.sum += sum(values)
        bounds, counts, total = self.bounds, self.counts, len(values)
        bucket = bisect_left(bounds, values[0])
        counted = 0
        while counted < total:
            up_to = bisect_right(values, bounds[bucket], counted) if bucket < len(bounds) else total
            counts[bucket] += up_to - counted
            counted = up_to
            bucket += 1


class Labelled(Generic[T]):
    """One metric for each combination of label values, `LABEL_LIMIT` of them by default.

    What comes beyond the limit shares one metric whose label values are all ``other``: label values often
    come from outside (a channel's name, a reason), and a time series for each would fill Prometheus.

    Args:
        labels: names of the labels.
        make: makes the metric of a new combination.
        limit: combinations that get a metric of their own.
    """

    __slots__ = ("_children", "_make", "labels", "limit")

    def __init__(self, labels: Labels, make: Callable[[], T], limit: int = LABEL_LIMIT) -> None:
        self.labels = labels
        self.limit = limit
        self._make = make
        self._children: dict[Labels, T] = {}

    def get(self, *values: str) -> T:
        """The metric of these label values, the same object each time. Hot code keeps what it gets.

        Raises:
            ValueError: there are not as many values as labels.
        """
        child = self._children.get(values)
        return child if child is not None else self._new(values)

    def _new(self, values: Labels) -> T:
        if len(values) != len(self.labels):
            raise ValueError(f"label values {values}: expected one for each of {', '.join(self.labels)}")
        if len(self._children) >= self.limit:
            values = (OTHER,) * len(self.labels)
        # setdefault: the fold itself may exist already.
        return self._children.setdefault(values, self._make())

    def __iter__(self) -> Iterator[tuple[Labels, T]]:
        """Every combination so far with its metric."""
        return iter(self._children.items())


class MetricSet(Collector):
    """The metrics of a process. Names are given without the prefix ``trunkline_`` and without ``_total``.

    Declaring a metric with a name that is taken, or a name, help text or labels that are not allowed, raises
    `ValueError`: a mistake in our own code, found by the first test that runs it.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._families: list[Callable[[], Metric]] = []
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def counter(self, name: str, help: str) -> Counter:
        """Declares a counter."""
        full = self._declare(name, help)
        counter = Counter()
        self._families.append(lambda: CounterMetricFamily(full, help, value=counter.value))
        return counter

    def counter_elsewhere(self, name: str, help: str, read: Callable[[], float | None]) -> None:
        """Declares a counter that somebody else counts; ``read`` gives its value at each scrape, or None if nobody
        knows it now: then it is not shown, for a counter that falls would be taken for one that began again."""
        full = self._declare(name, help)
        self._families.append(lambda: CounterMetricFamily(full, help, value=read()))

    def labelled_counter(
        self, name: str, help: str, labels: Sequence[str], limit: int = LABEL_LIMIT
    ) -> Labelled[Counter]:
        """Declares a counter for each combination of label values."""
        full = self._declare(name, help, labels)
        children = Labelled(tuple(labels), Counter, limit)

        def family() -> Metric:
            metric = CounterMetricFamily(full, help, labels=labels)
            for values, counter in children:
                metric.add_metric(_printable(values), counter.value)
            return metric

        self._families.append(family)
        return children

    def labelled_counter_elsewhere(
        self, name: str, help: str, labels: Sequence[str], read: Callable[[], Mapping[Labels, float]]
    ) -> None:
        """Declares a counter for each combination of label values, of which there are few, that somebody else counts;
        ``read`` gives all of them at each scrape."""
        full = self._declare(name, help, labels)

        def family() -> Metric:
            metric = CounterMetricFamily(full, help, labels=labels)
            for values, value in read().items():
                metric.add_metric(_printable(values), value)
            return metric

        self._families.append(family)

    def histogram(self, name: str, help: str, buckets: Sequence[float]) -> Histogram:
        """Declares a histogram; ``buckets`` are inclusive upper bounds, rising, without infinity."""
        full = self._declare(name, help)
        histogram = Histogram(buckets)

        def family() -> Metric:
            return HistogramMetricFamily(full, help, buckets=_cumulated(histogram), sum_value=histogram.sum)

        self._families.append(family)
        return histogram

    def labelled_histogram(
        self, name: str, help: str, buckets: Sequence[float], labels: Sequence[str], limit: int = LABEL_LIMIT
    ) -> Labelled[Histogram]:
        """Declares a histogram for each combination of label values."""
        full = self._declare(name, help, labels)
        Histogram(buckets)  # A wrong bound is found here and not at the first value.
        children = Labelled(tuple(labels), lambda: Histogram(buckets), limit)

        def family() -> Metric:
            metric = HistogramMetricFamily(full, help, labels=labels)
            for values, histogram in children:
                metric.add_metric(_printable(values), _cumulated(histogram), histogram.sum)
            return metric

        self._families.append(family)
        return children

    def gauge(self, name: str, help: str, read: Callable[[], float | None]) -> None:
        """Declares a gauge whose value ``read`` gives at each scrape, or None if nobody knows it now: then it is not
        shown. If it raises, the scrape fails."""
        full = self._declare(name, help)
        self._families.append(lambda: GaugeMetricFamily(full, help, value=read()))

    def labelled_gauge(
        self,
        name: str,
        help: str,
        labels: Sequence[str],
        read: Callable[[], Mapping[Labels, float]],
        limit: int = LABEL_LIMIT,
    ) -> None:
        """Declares a gauge for each combination of label values that ``read`` gives at a scrape.

        Beyond ``limit`` combinations the rest show as ``other`` with the largest value among them: that is
        what an alarm on a length or an age must see.
        """
        full = self._declare(name, help, labels)

        def family() -> Metric:
            metric = GaugeMetricFamily(full, help, labels=labels)
            items = list(read().items())
            for values, value in items[:limit]:
                metric.add_metric(_printable(values), value)
            if rest := items[limit:]:
                metric.add_metric((OTHER,) * len(labels), max(value for _, value in rest))
            return metric

        self._families.append(family)

    def exposition(self) -> bytes:
        """All metrics, with those of the process and its garbage collector, as Prometheus text."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """What prometheus_client calls at a scrape."""
        return [family() for family in self._families]

    def _declare(self, name: str, help: str, labels: Sequence[str] | None = None) -> str:
        if not _NAME.fullmatch(name) or name.startswith(PREFIX) or name.endswith(_RESERVED_ENDINGS):
            raise ValueError(
                f"metric name {name!r}: expected lower_snake_case, no prefix {PREFIX}, "
                f"no ending of {', '.join(_RESERVED_ENDINGS)}"
            )
        if name in self._names:
            raise ValueError(f"metric name {name!r} is taken; expected each metric to be declared once")
        if not help:
            raise ValueError(f"metric {name}: expected a help text")
        if labels is not None:
            different = len(set(labels)) == len(labels) > 0
            if not different or "le" in labels or not all(map(_NAME.fullmatch, labels)):
                raise ValueError(f"metric {name}: labels {labels!r}: expected unlike names, not 'le'")
        self._names.add(name)
        return PREFIX + name


def _printable(values: Labels) -> Labels:
    # A lone surrogate in one label value must not take the whole exposition down.
    return tuple(value.encode("utf-8", "backslashreplace").decode() for value in values)


def _cumulated(histogram: Histogram) -> list[tuple[str, float]]:
    total = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip([*histogram.bounds, math.inf], histogram.counts, strict=True):
        total += count
        buckets.append(("+Inf" if bound == math.inf else repr(float(bound)), total))
    return buckets

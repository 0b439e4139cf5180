"""Samples: the metrics of one process at one moment, read from Prometheus' text format. Pure.

The reader is a regular expression and not prometheus_client's parser: a dashboard page reads the metrics of a whole
cluster every second on the event loop that serves sockets, and the parser takes a hundred times as long.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

_LINE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})? (\S+)', re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")

Labels = Mapping[str, str]


class Samples:
    """What one process told.

    Args:
        text: the exposition.

    Attributes:
        empty: whether there was nothing in it.
    """

    def __init__(self, text: str = "") -> None:
        self._by_name: dict[str, list[tuple[Labels, float]]] = {}
        for name, labels, value in _LINE.findall(text):
            try:
                number = float(value)
            except ValueError:
                continue  # what is no sample is not ours to judge
            self._by_name.setdefault(name, []).append((_labels(labels), number))

    @property
    def empty(self) -> bool:
        """Whether there is none."""
        return not self._by_name

    def of(self, name: str, **labels: str) -> Iterator[tuple[Labels, float]]:
        """The samples of this name that have these labels."""
        for found, value in self._by_name.get(name, ()):
            if all(found.get(label) == wanted for label, wanted in labels.items()):
                yield found, value

    def value(self, name: str, **labels: str) -> float | None:
        """The sum over the samples of this name that have these labels; None if there is none, or one is NaN."""
        values = [value for _, value in self.of(name, **labels)]
        total = math.fsum(values) if values else math.nan
        return None if math.isnan(total) else total

    def total(self, name: str, **labels: str) -> float:
        """As `value`, and 0 where there is none: a labelled counter shows nothing before it counts."""
        return self.value(name, **labels) or 0.0

    def by(self, name: str, label: str) -> dict[str, float]:
        """The sums over the samples of this name for each value of a label."""
        sums: dict[str, float] = {}
        for labels, value in self.of(name):
            if label in labels:
                sums[labels[label]] = sums.get(labels[label], 0.0) + value
        return sums

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name that has a sample."""
        return frozenset(self._by_name)


def _labels(text: str) -> Labels:
    if not text:
        return {}
    return {name: _ESCAPED.sub(_unescaped, value) for name, value in _LABEL.findall(text)}


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]


class Growth:
    """What grew between two looks at a process.

    A process that began anew between them (its counters fell) counts from 0, as in Prometheus' `rate`.

    Args:
        now: the later look.
        before: the earlier one; None shows what there is since the process's start, over ``span_s``.
        span_s: seconds between them, or since the start.
    """

    __slots__ = ("before", "now", "span_s")

    def __init__(self, now: Samples, before: Samples | None, span_s: float) -> None:
        self.now = now
        self.before = before if before is not None else Samples()
        self.span_s = span_s

    def of(self, name: str, **labels: str) -> float:
        """By how much the sum over the counters with these labels rose."""
        return _risen(self.now.total(name, **labels), self.before.total(name, **labels))

    def per_s(self, name: str, **labels: str) -> float:
        """The same a second; 0 where no time has passed."""
        return self.of(name, **labels) / self.span_s if self.span_s > 0 else 0.0

    def by(self, name: str, label: str) -> dict[str, float]:
        """By how much the counters rose for each value of a label."""
        before = self.before.by(name, label)
        return {key: _risen(value, before.get(key, 0.0)) for key, value in self.now.by(name, label).items()}

    def buckets(self, name: str, **labels: str) -> dict[float, float]:
        """Upper bound to how many values of a histogram came at or below it."""
        found: dict[float, float] = {}
        before = _by_bound(self.before.of(f"{name}_bucket", **labels))
        for bound, value in _by_bound(self.now.of(f"{name}_bucket", **labels)).items():
            found[bound] = _risen(value, before.get(bound, 0.0))
        return found


def _risen(now: float, before: float) -> float:
    return now - before if now >= before else now


def _by_bound(samples: Iterable[tuple[Labels, float]]) -> dict[float, float]:
    sums: dict[float, float] = {}
    for labels, value in samples:
        bound = float(labels.get("le", "nan"))
        sums[bound] = sums.get(bound, 0.0) + value
    return sums


def merged(histograms: Iterable[Mapping[float, float]]) -> dict[float, float]:
    """The buckets of several histograms with the same bounds, as one."""
    sums: dict[float, float] = {}
    for buckets in histograms:
        for bound, value in buckets.items():
            sums[bound] = sums.get(bound, 0.0) + value
    return sums


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """A quantile as Prometheus' `histogram_quantile` estimates it: within a bucket values are taken to lie evenly.

    Args:
        buckets: upper bound to cumulated count, infinity among them.
        share: 0 to 1.

    Returns:
        None without values. What lies above the last finite bound is that bound.
    """
    bounds = sorted(buckets)
    if not bounds or buckets[bounds[-1]] <= 0:
        return None
    wanted = buckets[bounds[-1]] * share
    low, below = 0.0, 0.0
    for bound in bounds:
        count = buckets[bound]
        if count >= wanted and count > below:
            return low if math.isinf(bound) else low + (bound - low) * (wanted - below) / (count - below)
        low, below = (low if math.isinf(bound) else bound), count
    return low

"""What a process counts, read from the text that Prometheus scrapes."""

from __future__ import annotations

import re


def total(text: str, sample: str) -> float:
    """The sum of a metric's samples; 0 where there are none (of a label that was never used).

    Args:
        text: the exposition.
        sample: name of the metric, whole: ``connections`` is not ``connections_limit``. With labels only those samples
            that begin so: ``name_total{label="value"``.
    """
    name, brace, labels = sample.partition("{")
    line = re.compile(re.escape(name + brace + labels) if brace else rf"{re.escape(name)}(?=[{{ ])")
    return sum(float(each.rpartition(" ")[2]) for each in text.splitlines() if line.match(each))

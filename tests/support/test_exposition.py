"""Reading what a process counts."""

from __future__ import annotations

import pytest

from tests.support.exposition import total

TEXT = """# HELP connections Open ones.
connections 3.0
connections_limit 100.0
refused_total{reason="a",shard="0"} 1.0
refused_total{reason="a",shard="1"} 2.0
refused_total{reason="ab",shard="0"} 4.0
"""


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("connections", 3),
        ("refused_total", 7),
        ('refused_total{reason="a"', 3),
        ('refused_total{reason="a",shard="1"}', 2),
        ("refused", 0),
        ("none", 0),
    ],
)
def test_a_metric_is_named_whole(sample: str, expected: float) -> None:
    assert total(TEXT, sample) == expected

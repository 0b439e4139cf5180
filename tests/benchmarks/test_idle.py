"""Who holds silent connections."""

from __future__ import annotations

from benchmarks.idle import parts


def test_what_is_beyond_one_process_is_held_by_further_ones() -> None:
    assert parts(50, 100) == [50]
    assert parts(100, 100) == [100]
    assert parts(250, 100) == [100, 100, 50]
    assert parts(0, 100) == [0]

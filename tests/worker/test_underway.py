"""What waits for the layer's answer, by shard."""

from __future__ import annotations

from trunkline.worker.underway import Underway


def test_what_waits_for_a_shard_that_is_away_does_not_press() -> None:
    away: set[int] = set()
    underway = Underway(away)
    for shard, count in ((0, 2), (1, 3)):
        underway.count += count
        underway.of(shard, count)
    assert underway.pressing == 5

    away.add(1)
    assert (underway.count, underway.pressing) == (5, 2)

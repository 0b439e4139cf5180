"""Whether all processes have the same shards."""

from __future__ import annotations

import pytest

from trunkline.protocol.errors import ConfigError, LayerUnavailable
from trunkline.protocol.messages import ChannelStats, ClusterStats, LeaseInfo
from trunkline.protocol.names import RECEIVE
from trunkline.protocol.sharding.layout import Found, Record, agreed, holds, missing, wrong_number


def there(where: str, *records: Record, living: bool = False) -> Found:
    return Found(where, {record.shard: record for record in records}, living)


def test_a_deployment_that_begins_uses_all_its_shards() -> None:
    assert agreed([there("a"), there("b")], "new") == [Record("new", 0, 2), Record("new", 1, 2)]


def test_a_cluster_of_one_shard_that_lives_goes_on_to_use_that_one() -> None:
    assert agreed([there("a", living=True), there("b")], "new") == [Record("new", 0, 1), Record("new", 1, 1)]


def test_a_process_may_know_more_shards_than_are_in_use() -> None:
    found = [there("a", Record("x", 0, 1), living=True), there("b", Record("x", 1, 1)), there("c")]
    assert agreed(found, "new") == [Record("x", shard, 1) for shard in range(3)]


def test_a_shard_that_lost_its_record_gets_it_again() -> None:
    assert agreed([there("a"), there("b", Record("x", 1, 2))], "new") == [
        Record("x", 0, 2),
        Record("x", 1, 2),
    ]


def test_shards_may_share_a_redis() -> None:
    both = Record("x", 0, 2), Record("x", 1, 2)
    assert agreed([there("a", *both), there("a", *both)], "new") == list(both)


def test_a_process_that_knows_fewer_shards_than_are_in_use_is_refused() -> None:
    with pytest.raises(ConfigError, match="told of 1 shard, and 2 are in use"):
        agreed([there("a", Record("x", 0, 2))], "new")


@pytest.mark.parametrize(
    "found",
    [
        [there("b", Record("x", 1, 2)), there("a", Record("x", 0, 2))],
        [there("b", Record("x", 1, 2))],
        [there("a", Record("x", 0, 2)), there("c", Record("x", 2, 3))],
    ],
    ids=["in another order", "one of the others alone", "one left out"],
)
def test_a_process_with_its_urls_in_another_order_is_refused(found: list[Found]) -> None:
    with pytest.raises(ConfigError, match=r"is given as shard \d, and holds shard \d"):
        agreed(found, "new")


def test_a_shard_of_another_deployment_is_refused() -> None:
    with pytest.raises(ConfigError, match="b holds shard 1 of another deployment"):
        agreed([there("a", Record("x", 0, 2)), there("b", Record("y", 1, 2))], "new")


def lease(identity: str, role: str) -> LeaseInfo:
    return LeaseInfo(identity, role, "host", 7, "", "0", 0.0)


def test_who_is_not_on_every_shard_is_named() -> None:
    old, new, worker = lease("i1", "interface"), lease("i2", "interface"), lease("w1", "worker")
    shards = [ClusterStats([], [old, new], [worker], 0, {}), ClusterStats([], [new], [worker], 0, {})]

    assert missing(shards) == ["interface i1 [7] on host"]
    assert missing(shards[:1]) == []


def test_newcomers_use_no_shard_that_nobody_knows() -> None:
    assert wrong_number(2, 2) is None
    assert wrong_number(2, 3) == "--use 3: expected at most 2, as many as --redis-url names"


def away(where: str) -> Found:
    return Found(where, away="gone fishing")


def test_any_shard_tells_the_layout_of_those_that_are_away() -> None:
    found = [away("a"), there("b", Record("x", 1, 2)), there("c")]

    assert agreed(found, "new") == [Record("x", shard, 2) for shard in range(3)]
    with pytest.raises(ConfigError, match="told of 2 shards, and 3 are in use"):
        agreed([away("a"), there("b", Record("x", 1, 3))], "new")
    with pytest.raises(ConfigError, match="b is given as shard 1, and holds shard 0"):
        agreed([away("a"), there("b", Record("x", 0, 2))], "new")


@pytest.mark.parametrize("first", [there("a"), there("a", living=True)])
def test_without_a_record_no_layout_begins_while_a_shard_is_away(first: Found) -> None:
    with pytest.raises(
        LayerUnavailable, match="no shard that answers tells how many there are: shard 1: gone"
    ):
        agreed([first, away("b")], "new")


def test_what_a_shard_holds_is_told() -> None:
    empty = ClusterStats([ChannelStats(RECEIVE, 0, 0, 0.0)], [], [], 0, {})
    full = ClusterStats([ChannelStats(RECEIVE, 2, 1, 0.0)], [], [], 3, {}, 4)

    assert holds(empty, 0) == ""
    assert holds(full, 1) == (
        "1 interface servers with connections, 2 messages, 4 delayed messages, 3 dead letters"
    )

"""The operator's side of several shards."""

from __future__ import annotations

import pytest

from trunkline.protocol.errors import LayerError, LayerUnavailable
from trunkline.protocol.layer import OperatorLayer
from trunkline.protocol.messages import ChannelStats, ClusterStats, DeadLetterRecord, LeaseInfo
from trunkline.protocol.names import ChannelName, InterfaceId
from trunkline.protocol.redriving import Redriven
from trunkline.protocol.sharding import ShardedOperatorLayer

A, B = ChannelName("a"), ChannelName("b")


def lease(identity: str) -> LeaseInfo:
    return LeaseInfo(identity, "worker", "host", 1, "", "0", 0.0)


def letter(letter_id: str) -> DeadLetterRecord:
    return DeadLetterRecord(letter_id, "error", A, b"", "", "", "", 1, "", b"", 0.0)


class One(OperatorLayer):
    """A shard with some letters."""

    def __init__(self, *ids: str, stats: ClusterStats | None = None) -> None:
        self.ids = list(ids)
        self.figures = stats
        self.closed = False

    async def stats(self) -> ClusterStats:
        if self.figures is None:
            raise LayerUnavailable("gone fishing")
        return self.figures

    async def dead_letters(self, after: str = "", count: int = 100) -> list[DeadLetterRecord]:
        def key(text: str) -> tuple[int, ...]:
            return tuple(map(int, text.split("-")))

        return [letter(one) for one in self.ids if not after or key(one) > key(after)][:count]

    async def dead_letter(self, letter_id: str) -> DeadLetterRecord | None:
        return letter(letter_id) if letter_id in self.ids else None

    async def redrive(self, letter_id: str) -> Redriven:
        return Redriven("put_back" if await self.drop(letter_id) else "missing")

    async def drop(self, letter_id: str) -> bool:
        if letter_id not in self.ids:
            return False
        self.ids.remove(letter_id)
        return True

    async def close(self) -> None:
        self.closed = True


async def test_the_letters_of_all_shards_are_one_list_page_by_page() -> None:
    layer = ShardedOperatorLayer([One("1-0", "5-0", "5-1"), One("2-0", "5-0", "9-0")])
    listed: list[str] = []

    while page := await layer.dead_letters(listed[-1] if listed else "", 2):
        assert len(page) <= 2
        listed += [one.id for one in page]

    assert listed == ["1-0", "2-0@1", "5-0", "5-0@1", "5-1", "9-0@1"]


async def test_a_letter_is_found_put_back_and_dropped_on_its_shard() -> None:
    shards = [One("5-0"), One("5-0", "6-0")]
    layer = ShardedOperatorLayer(shards)

    found = await layer.dead_letter("5-0@1")
    assert found is not None
    assert found.id == "5-0@1"
    assert await layer.redrive("5-0@1") == Redriven("put_back")
    assert await layer.drop("6-0@1")
    assert [one.ids for one in shards] == [["5-0"], []]

    for missing in ("6-0@1", "5-0@2", "nonsense"):
        assert await layer.dead_letter(missing) is None
        assert await layer.redrive(missing) == Redriven("missing")
        assert not await layer.drop(missing)


async def test_what_is_no_id_lists_nothing() -> None:
    with pytest.raises(LayerError, match="1700000000000-0@1"):
        await ShardedOperatorLayer([One(), One()]).dead_letters("5-0@2")


async def test_figures_are_added_up_and_of_ages_the_greatest_counts() -> None:
    i1 = InterfaceId("i1")
    first = ClusterStats([ChannelStats(A, 3, 1, 2.0)], [lease("i1")], [lease("w1")], 1, {i1: 4}, 1, 2, 3)
    second = ClusterStats(
        [ChannelStats(B, 1, 0, 0.0), ChannelStats(A, 4, 2, 7.0)],
        [lease("i1"), lease("i2")],
        [lease("w1")],
        10,
        {i1: 1, InterfaceId("i2"): 2},
        10,
        20,
        30,
    )

    stats = await ShardedOperatorLayer([One(stats=first), One(stats=second)]).stats()

    assert stats.channels == [ChannelStats(A, 7, 3, 7.0), ChannelStats(B, 1, 0, 0.0)]
    assert [one.id for one in stats.interfaces] == ["i1", "i2"]
    assert [one.id for one in stats.workers] == ["w1"]
    assert stats.mailbox_lengths == {"i1": 5, "i2": 2}
    assert (stats.dead_letters, stats.delayed, stats.dead_trimmed, stats.delayed_ever) == (11, 11, 22, 33)


async def test_of_a_shard_that_does_not_answer_only_that_is_told() -> None:
    first = ClusterStats([ChannelStats(A, 3, 1, 2.0)], [], [lease("w1")], 1, {})
    shards = [One(stats=first), One()]
    layer = ShardedOperatorLayer(shards)

    stats = await layer.stats()

    assert stats.away == {1: "gone fishing"}
    assert stats.shards == stats.by_shard == {0: first}
    assert (stats.channels, stats.dead_letters) == (first.channels, 1)
    assert first.by_shard == {0: first}
    with pytest.raises(LayerUnavailable, match="shard 0: gone fishing; shard 1: gone fishing"):
        await ShardedOperatorLayer([One(), One()]).stats()

    await layer.close()
    assert all(one.closed for one in shards)


class Away(One):
    """A shard whose letters nobody can see."""

    async def dead_letters(self, after: str = "", count: int = 100) -> list[DeadLetterRecord]:
        raise LayerUnavailable("gone fishing")


async def test_letters_are_listed_of_all_shards_or_of_those_that_are_not_left_out() -> None:
    layer = ShardedOperatorLayer([Away("1-0"), One("2-0", "3-0")])
    with pytest.raises(LayerUnavailable, match="shard 0: gone fishing"):
        await layer.dead_letters()

    layer.leave_out([0])

    assert [one.id for one in await layer.dead_letters()] == ["2-0@1", "3-0@1"]
    assert [one.id for one in await layer.dead_letters("2-0@1")] == ["3-0@1"]

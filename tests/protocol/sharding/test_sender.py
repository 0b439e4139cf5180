"""Sends from outside over several shards."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from trunkline.protocol.codec import encode_entry
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.messages import ChannelSend, DeadLetter, Effect, Entry
from trunkline.protocol.names import ChannelName, InterfaceId, new_connection_id, reply_name
from trunkline.protocol.sharding import ShardedSender

JOBS = ChannelName("jobs")
EFFECT = DeadLetter(b"x")


class One:
    """A sender that notes what it is given."""

    def __init__(self, *, up: bool = True) -> None:
        self.up = up
        self.applied: list[Effect] = []
        self.closed = False

    def answers(self) -> bool:
        return self.up

    def apply(self, effects: Sequence[Effect]) -> None:
        self.applied += effects

    def close(self) -> None:
        self.closed = True


def backwards(order: list[int]) -> None:
    order.reverse()


def about(shard: int | None) -> ChannelSend:
    """A background message about a connection that lives on a shard, or about none."""
    reply = None if shard is None else reply_name(InterfaceId("i1"), new_connection_id(shard))
    return ChannelSend(JOBS, encode_entry(Entry(JOBS, reply, None, 0, [{}])))


def test_a_batch_goes_whole_to_one_shard_that_answers() -> None:
    shards = [One(), One(), One(up=False)]
    sender = ShardedSender(shards, backwards)

    sender.apply([EFFECT, about(None), EFFECT])

    assert [len(one.applied) for one in shards] == [0, 3, 0]


def test_a_message_about_a_connection_goes_where_that_lives() -> None:
    shards = [One(), One(), One()]
    sender = ShardedSender(shards, backwards)

    sender.apply([EFFECT, about(1)])
    sender.apply([about(0)])
    # It may have been made by a process with a larger layout.
    sender.apply([about(7)])

    assert [len(one.applied) for one in shards] == [1, 2, 1]


def test_it_tells_that_no_shard_answers() -> None:
    sender = ShardedSender([One(up=False), One(up=False)])

    with pytest.raises(LayerUnavailable, match="none of the 2 shards answers and is in use"):
        sender.apply([EFFECT])


def test_closing_closes_all() -> None:
    shards = [One(), One()]
    ShardedSender(shards).close()
    assert all(one.closed for one in shards)

"""How long entries wait on several shards."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.names import CONNECT, RECEIVE, ChannelName
from trunkline.protocol.sharding import sharded_waits
from trunkline.protocol.sharding.waits import Waits


def answering(waits: Mapping[ChannelName, float] | Exception) -> Waits:
    async def ask() -> Mapping[ChannelName, float]:
        if isinstance(waits, Exception):
            raise waits
        return waits

    return ask


AWAY = answering(LayerUnavailable("away"))


async def test_the_longest_wait_of_each_channel_counts() -> None:
    ask = sharded_waits([answering({CONNECT: 1.0, RECEIVE: 5.0}), AWAY, answering({RECEIVE: 2.0})])
    assert await ask() == {CONNECT: 1.0, RECEIVE: 5.0}


async def test_it_tells_when_no_shard_answers() -> None:
    with pytest.raises(LayerUnavailable):
        await sharded_waits([AWAY, AWAY])()


async def test_a_fault_is_not_taken_for_an_absence() -> None:
    with pytest.raises(ZeroDivisionError):
        await sharded_waits([AWAY, answering(ZeroDivisionError())])()

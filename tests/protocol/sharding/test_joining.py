"""Joining the shards that were away when a process began."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from trunkline.protocol.errors import ConfigError, LayerUnavailable
from trunkline.protocol.sharding.joining import join_missing


class Joining:
    """A process that lacks shards, and what becomes of each attempt.

    Args:
        missing: shards that it lacks.
        looks: what each look at the layout tells: the shards that are away, or what it raises.
        refusing: how often each shard refuses to be joined.
    """

    def __init__(
        self,
        missing: list[int],
        looks: list[Mapping[int, str] | Exception],
        refusing: Mapping[int, int] | None = None,
    ) -> None:
        self.missing = missing
        self.looks = iter(looks)
        self.refusing = dict(refusing or {})
        self.naps = 0

    async def join(self, shard: int) -> None:
        if self.refusing.get(shard, 0):
            self.refusing[shard] -= 1
            raise LayerUnavailable("not yet")
        self.missing = [one for one in self.missing if one != shard]

    async def agree(self) -> Mapping[int, str]:
        told = next(self.looks)
        if isinstance(told, Exception):
            raise told
        return told

    async def sleep(self, seconds: float) -> None:
        self.naps += 1

    async def run(self) -> None:
        await join_missing(self, self.agree, self.sleep)


async def test_each_shard_is_joined_when_it_answers() -> None:
    joining = Joining([1, 2], [{1: "away", 2: "away"}, {2: "away"}, {}])

    await joining.run()

    assert joining.missing == []
    assert joining.naps == 3


async def test_it_goes_on_while_nothing_answers_or_a_shard_is_gone_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    joining = Joining([1], [LayerUnavailable("none answers"), {}, {}], {1: 1})

    await joining.run()

    assert joining.missing == []
    assert [record.getMessage() for record in caplog.records if "cannot" in record.getMessage()] == [
        "cannot join all shards yet: none answers"
    ]


async def test_a_shard_of_another_deployment_is_not_joined() -> None:
    joining = Joining([1], [{1: "away"}, ConfigError("another deployment")])

    with pytest.raises(ConfigError, match="another deployment"):
        await joining.run()

    assert joining.missing == [1]

"""How long entries wait on several shards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from ..errors import LayerUnavailable
from ..names import ChannelName

Waits = Callable[[], Awaitable[Mapping[ChannelName, float]]]
"""The age in seconds of the oldest entry of each channel that no worker was given; raises `LayerUnavailable`."""


def sharded_waits(shards: Sequence[Waits]) -> Waits:
    """The same of several shards: the longest wait of each channel, on those shards that answer. Workers read all
    shards alike, so what waits long on one is what they have too little time for."""

    async def waits_s() -> Mapping[ChannelName, float]:
        answers = await asyncio.gather(*(ask() for ask in shards), return_exceptions=True)
        longest: dict[ChannelName, float] = {}
        away: list[LayerUnavailable] = []
        for answer in answers:
            if isinstance(answer, LayerUnavailable):
                away.append(answer)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                for channel, wait_s in answer.items():
                    longest[channel] = max(wait_s, longest.get(channel, 0.0))
        if len(away) == len(shards):
            raise away[0]
        return longest

    return waits_s

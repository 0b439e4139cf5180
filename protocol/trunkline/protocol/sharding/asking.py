"""Several shards asked at once: what those answer that do, and why the others do not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from ..errors import LayerUnavailable

A = TypeVar("A")
T = TypeVar("T")

WATCH_S: Final = 1.5
"""How long those wait for a shard who look again and again, or are asked by somebody who gives up after 2 s."""
COMMAND_S: Final = 8.0
"""How long a command waits for one: a Redis that is that slow is of no use to anybody."""


@dataclass(frozen=True, slots=True)
class Answers(Generic[T]):
    """What was answered.

    Attributes:
        told: shard to its answer.
        away: shard to the reason why there is none.
    """

    told: Mapping[int, T] = field(default_factory=dict)
    away: Mapping[int, str] = field(default_factory=dict)


async def ask_each(
    asked: Mapping[int, A],
    ask: Callable[[A], Awaitable[T]],
    limit_s: float = COMMAND_S,
    places: Sequence[str] = (),
) -> Answers[T]:
    """Asks all at once. Whatever else than `LayerUnavailable` one raises is raised.

    Cancellation: what was asked may have been done.

    Args:
        asked: shard to whom to ask there.
        ask: the question.
        limit_s: seconds that one may take; the others do not wait for it longer.
        places: where each shard is, for people.

    Raises:
        LayerUnavailable: nobody answers.
    """

    async def one(shard: int, side: A) -> T:
        try:
            async with asyncio.timeout(limit_s):
                return await ask(side)
        except TimeoutError as error:
            where = f"Redis at {places[shard]}: " if shard < len(places) else ""
            raise LayerUnavailable(f"{where}no answer within {limit_s:g} s") from error

    answers = await asyncio.gather(
        *(one(shard, side) for shard, side in asked.items()), return_exceptions=True
    )
    told: dict[int, T] = {}
    away: dict[int, str] = {}
    for shard, answer in zip(asked, answers, strict=True):
        if isinstance(answer, LayerUnavailable):
            away[shard] = str(answer)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            told[shard] = answer
    if not told:
        raise LayerUnavailable(said(away) if len(away) > 1 else next(iter(away.values())))
    return Answers(told, away)


def said(away: Mapping[int, str]) -> str:
    """Which shards are away, and why, in a line."""
    return "; ".join(f"shard {shard}: {why}" for shard, why in sorted(away.items()))

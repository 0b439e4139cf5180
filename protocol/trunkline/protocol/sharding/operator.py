"""The operator's side of several shards: one list of dead letters, one set of figures."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from ..errors import LayerError, LayerUnavailable
from ..layer import OperatorLayer
from ..messages import ChannelStats, ClusterStats, DeadLetterRecord, LeaseInfo
from ..names import ChannelName, InterfaceId
from ..redriving import Redriven
from .asking import COMMAND_S, Answers, ask_each
from .letters import Place, listed, place

T = TypeVar("T")


class ShardedOperatorLayer(OperatorLayer):
    """See `layer.OperatorLayer`. A letter's id tells its shard, see `letters`.

    Args:
        layers: the same side of each shard, in the order of their numbers.
        limit_s: seconds after which a shard that has not answered is away.
        places: where each is, for people.
    """

    def __init__(
        self, layers: Sequence[OperatorLayer], limit_s: float = COMMAND_S, places: Sequence[str] = ()
    ) -> None:
        self._layers = tuple(layers)
        self._limit_s = limit_s
        self._places = places
        self._listed = dict(enumerate(self._layers))

    async def stats(self) -> ClusterStats:
        """See `layer.OperatorLayer.stats`: of all shards that answer together, and of each."""
        answers = await self._ask(lambda layer: layer.stats())
        return merged(answers.told)._replace(shards=answers.told, away=answers.away)

    def leave_out(self, shards: Collection[int]) -> None:
        """From now on these shards have no letters to list, so that those of the others can be while they are away."""
        self._listed = {shard: layer for shard, layer in self._listed.items() if shard not in shards}

    async def dead_letters(self, after: str = "", count: int = 100) -> list[DeadLetterRecord]:
        """See `layer.OperatorLayer.dead_letters`.

        Raises:
            LayerUnavailable: a shard does not answer that is not left out; the text names it.
        """
        behind = place(after, len(self._layers)) if after else None
        if after and behind is None:
            raise LayerError(
                f"dead letters after {after!r}: expected an id as in 1700000000000-0 or 1700000000000-0@1"
            )
        pages = await asyncio.gather(
            *(
                named(shard, layer.dead_letters(behind.before(shard) if behind else "", count))
                for shard, layer in self._listed.items()
            )
        )
        letters = [
            letter._replace(id=listed(letter.id, shard))
            for shard, page in zip(self._listed, pages, strict=True)
            for letter in page
        ]
        letters.sort(key=lambda letter: place(letter.id, len(self._layers)) or Place((0, 0), 0))
        return letters[:count]

    async def dead_letter(self, letter_id: str) -> DeadLetterRecord | None:
        """See `layer.OperatorLayer.dead_letter`."""
        where = place(letter_id, len(self._layers))
        if where is None:
            return None
        letter = await named(where.shard, self._layers[where.shard].dead_letter(where.local))
        return letter._replace(id=letter_id) if letter is not None else None

    async def redrive(self, letter_id: str) -> Redriven:
        """See `layer.OperatorLayer.redrive`. It goes back into its channel on its own shard."""
        where = place(letter_id, len(self._layers))
        if where is None:
            return Redriven("missing")
        return await named(where.shard, self._layers[where.shard].redrive(where.local))

    async def drop(self, letter_id: str) -> bool:
        """See `layer.OperatorLayer.drop`."""
        where = place(letter_id, len(self._layers))
        return where is not None and await named(where.shard, self._layers[where.shard].drop(where.local))

    async def close(self) -> None:
        """See `layer.OperatorLayer.close`."""
        await asyncio.gather(*(layer.close() for layer in self._layers))

    async def _ask(self, ask: Callable[[OperatorLayer], Awaitable[T]]) -> Answers[T]:
        return await ask_each(dict(enumerate(self._layers)), ask, self._limit_s, self._places)


async def named(shard: int, answer: Awaitable[T]) -> T:
    """Waits for the answer of a shard.

    Raises:
        LayerUnavailable: it does not answer; the text names it.
    """
    try:
        return await answer
    except LayerUnavailable as error:
        raise LayerUnavailable(f"shard {shard}: {error}") from error


def merged(told: Mapping[int, ClusterStats]) -> ClusterStats:
    """The figures of all shards together: what can be counted is added up, of ages the greatest is told."""
    stats = list(told.values())
    channels: dict[ChannelName, ChannelStats] = {}
    mailboxes: dict[InterfaceId, int] = {}
    for one in stats:
        for channel in one.channels:
            known = channels.get(channel.channel, ChannelStats(channel.channel, 0, 0, 0.0))
            channels[channel.channel] = ChannelStats(
                channel.channel,
                known.length + channel.length,
                known.pending + channel.pending,
                max(known.oldest_s, channel.oldest_s),
            )
        for interface, length in one.mailbox_lengths.items():
            mailboxes[interface] = mailboxes.get(interface, 0) + length
    return ClusterStats(
        channels=[channels[name] for name in sorted(channels)],
        interfaces=_living(one.interfaces for one in stats),
        workers=_living(one.workers for one in stats),
        dead_letters=sum(one.dead_letters for one in stats),
        mailbox_lengths=mailboxes,
        delayed=sum(one.delayed for one in stats),
        dead_trimmed=sum(one.dead_trimmed for one in stats),
        delayed_ever=sum(one.delayed_ever for one in stats),
        servers=tuple(server for one in stats for server in one.servers),
        skew_s=max((one.skew_s for one in stats), key=abs, default=0.0),
    )


def _living(leases: Iterable[Sequence[LeaseInfo]]) -> list[LeaseInfo]:
    """Whoever holds a lease on some shard, once."""
    return list({lease.id: lease for shard in leases for lease in shard}.values())

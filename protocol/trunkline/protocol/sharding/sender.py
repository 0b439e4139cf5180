"""Sends from outside any handler over several shards: each batch goes to one of them, where it is applied whole."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Protocol

from ..codec import decode_entry
from ..errors import LayerUnavailable
from ..messages import ChannelSend, Effect
from ..names import shard_of, split_reply_name


class Sender(Protocol):
    """Who sends on one shard."""

    def answers(self) -> bool:
        """Whether the shard can be reached now, and is in use."""
        ...

    def apply(self, effects: Sequence[Effect]) -> None:
        """Applies effects, all or none.

        Raises:
            LayerUnavailable: the layer does not answer.
        """

    def close(self) -> None:
        """Ends it. Idempotent."""


class ShardedSender:
    """Sends on a shard that answers. Every interface server reads its mailbox on all of them.

    Args:
        senders: one a shard, in the order of their numbers.
        shuffle: puts their numbers in the order in which they are tried.
    """

    def __init__(
        self, senders: Sequence[Sender], shuffle: Callable[[list[int]], None] = random.shuffle
    ) -> None:
        self._senders = tuple(senders)
        self._shuffle = shuffle

    def apply(self, effects: Sequence[Effect]) -> None:
        """Applies effects, all or none: on the shard of the connection that a background message is about, so that its
        handler has the session, else on any that answers.

        Raises:
            LayerUnavailable: no shard answers, or the one that was asked has lost the answer.
        """
        home = next((shard for shard in map(_home, effects) if shard is not None), None)
        if home is not None and home < len(self._senders):
            self._senders[home].apply(effects)
            return
        order = list(range(len(self._senders)))
        self._shuffle(order)
        for shard in order:
            if self._senders[shard].answers():
                self._senders[shard].apply(effects)
                return
        raise LayerUnavailable(f"cannot send: none of the {len(order)} shards answers and is in use")

    def close(self) -> None:
        """Ends it. Idempotent."""
        for sender in self._senders:
            sender.close()


def _home(effect: Effect) -> int | None:
    """The shard of the connection whose reply channel a background message carries; None without one."""
    if not isinstance(effect, ChannelSend):
        return None
    reply = decode_entry(effect.channel, effect.body).reply
    return shard_of(split_reply_name(reply)[1]) if reply is not None else None

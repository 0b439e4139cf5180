"""The channel layer: the seam between the tiers and what carries their messages.

A layer has three sides, one for each kind of user. Two layers keep this contract, `memory` (one process) and
`redis_layer`; both pass ``tests/protocol/layer_contract``. What a side reports back it reports by calling its receiver,
on the event loop that opened it, never from another thread: a callback a batch costs less than a task a message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from .messages import ClusterStats, DeadLetterRecord, Delivery, Effect, LeaseInfo, Outcome
from .names import ChannelName, ConnectionId, GroupName
from .redriving import Redriven
from .tracks import Share


class Publication(NamedTuple):
    """One encoded entry on its way into a stream.

    Attributes:
        channel: whose stream.
        body: encoded `Entry`.
        owner: whatever the interface wants back with a refusal.
        must: take it also when the stream is full (a disconnect: there are never more of them than connections).
    """

    channel: ChannelName
    body: bytes
    owner: Any
    must: bool = False


class Holdings(NamedTuple):
    """What an interface holds and a layer that lost its data must be told again.

    Attributes:
        connections: each accepted connection with the encoded disconnect entry of its registry.
        groups: each group that has members here with the token of the newest add seen.
    """

    connections: dict[ConnectionId, bytes]
    groups: dict[GroupName, str]


class InterfaceReceiver(Protocol):
    """What a layer calls on an interface server."""

    def mailbox(self, operations: list[list[Any]], token: str) -> None:
        """Operations have arrived (see `codec`), in order. ``token`` is the mailbox entry's id, for `leave_group`."""

    def answered(self, seconds: float) -> None:
        """A renewal of the lease took so long to its answer, over the connection on which batches are published: what a
        batch would have taken. It is for figures, and a layer that has none to tell need not call it."""

    def refused(self, publications: Sequence[Publication]) -> None:
        """The streams of these are full; nothing of them was taken. The interface tries again when it sees fit."""

    def away(self) -> None:
        """The layer does not answer: stop reading sockets, be not ready. What was published is kept and sent later."""

    def back(self) -> None:
        """The layer answers again."""

    def fenced(self) -> None:
        """This interface was declared dead: close every socket with 1012 and start over under a new id."""

    def holdings(self) -> Holdings:
        """The layer lost data and asks what it must register again."""
        ...

    def republish(self, after: int, up_to: int, channel: ChannelName | None = None) -> None:
        """Batches ``after < number <= up_to`` were lost, or only what they held for one channel: publish again what of
        it is unreleased."""

    def share_out(self, shares: Sequence[Share], now_ms: int) -> None:
        """What each track gets, at each renewal of the lease, and the layer's clock."""


class InterfaceLayer(Protocol):
    """The interface server's side."""

    async def open(self, info: LeaseInfo, receiver: InterfaceReceiver) -> None:
        """Takes the lease, makes the mailbox and begins to read it.

        Raises:
            LayerUnavailable: Redis does not answer.
        """

    def publish(self, publications: list[Publication]) -> int:
        """Publishes a batch and returns its number (1, 2, …). Never blocks and never doubles: a batch whose answer
        is lost is sent again under its number. Order between batches is kept."""
        ...

    def join_group(self, group: GroupName, token: str, done: Callable[[], None]) -> None:
        """Puts this interface into the group by itself, because a member has joined it on another shard.

        Args:
            group: which.
            token: older than that of any add, and newer than that of any join before: ``0-<number>``. A token that
                stands and is newer, of an add that is on its way, stays.
            done: called once it is in the group, and sends reach it; never, if `leave_group` comes before that.
        """

    def leave_group(self, group: GroupName, token: str) -> None:
        """The last member here has left: take this interface out of the group, unless an add newer than ``token``
        (the mailbox entry of the newest add seen here) is on its way."""

    async def retire(self) -> None:
        """Gives the lease up at the end of a drain. What is still registered becomes the reaper's, with code 1006."""

    async def close(self) -> None:
        """Ends reading and connections. Idempotent. What was not answered stays undecided."""


class WorkerReceiver(Protocol):
    """What a layer calls on a worker."""

    def deliver(self, deliveries: list[Delivery]) -> None:
        """The answer to `WorkerLayer.read`; also called without one for entries taken over from a dead worker."""

    def room(self) -> int:
        """How many entries the worker would take over now; 0 while it cannot or is stopping. Of a dead worker's entries
        it gets one at a time."""
        ...

    def away(self, shard: int = 0) -> None:
        """The layer does not answer, or this shard of it."""

    def back(self, shard: int = 0) -> None:
        """It answers again."""


class WorkerLayer(Protocol):
    """The worker's side."""

    async def open(self, info: LeaseInfo, channels: Sequence[ChannelName], receiver: WorkerReceiver) -> None:
        """Takes the lease and makes the streams and their consumer group where they are missing.

        Raises:
            LayerUnavailable: Redis does not answer.
        """

    def read(self, count: int) -> None:
        """Asks for up to ``count`` entries a stream; one `WorkerReceiver.deliver` follows as soon as there are any.
        Asking again before that changes nothing but the count: there is one read at a time."""

    def stop_reading(self) -> None:
        """Takes a waiting read back. A delivery that is already on its way still comes, and must be handled."""

    def sessions(self, connections: Sequence[ConnectionId], done: Callable[[list[bytes]], None]) -> None:
        """Reads channel sessions, in the order asked; empty where there is none."""

    def commit(self, outcomes: Sequence[Outcome], done: Callable[[int], None]) -> None:
        """Acknowledges entries and applies the effects of those whose acknowledgement counted, atomically for each.
        ``done`` is told how many counted; the others had been taken over, and their effects are dropped."""

    def commit_now(self, outcomes: Sequence[Outcome], done: Callable[[int], None]) -> None:
        """As `commit`, from another thread than the event loop's while that one is held up; blocks the calling thread.
        ``done`` is called on the event loop.

        Raises:
            LayerUnavailable: Redis does not answer; commit them again.
        """

    def apply(
        self, effects: Sequence[Effect], done: Callable[[], None], within: Delivery | None = None
    ) -> None:
        """Applies effects that wait for no acknowledgement (`message.flush`, sends from outside a handler).

        Args:
            effects: in their order.
            done: called when they are applied, or dropped because ``within`` is held no more.
            within: apply them only while this delivery is still this worker's. If it is not, a later commit of it does
                not count either: whoever has it now applies all of its effects.
        """

    def give_back(self, deliveries: Sequence[Delivery], after_ms: int = 0) -> None:
        """Hands entries that left no trace to whoever is idle. May be called from any thread, and blocks it.

        Args:
            deliveries: the entries; what this worker does not hold (any more) is left alone.
            after_ms: nobody gets them before so much time has passed by the layer's clock. For a connection's entry
                that means that its later ones wait as well.

        Raises:
            LayerUnavailable: Redis does not answer; the entries stay this worker's.
        """

    async def close(self) -> None:
        """Gives the lease up and ends. Idempotent. Entries not committed go to other workers."""


class OperatorLayer(Protocol):
    """The side of people and their commands."""

    async def stats(self) -> ClusterStats:
        """How long the streams are, who is alive. Of several shards those that answer count, and the others are named.

        Raises:
            LayerUnavailable: Redis does not answer, or no shard.
        """
        ...

    async def dead_letters(self, after: str = "", count: int = 100) -> list[DeadLetterRecord]:
        """Dead letters, oldest first, behind the id ``after``."""
        ...

    async def dead_letter(self, letter_id: str) -> DeadLetterRecord | None:
        """One dead letter, or None."""
        ...

    async def redrive(self, letter_id: str) -> Redriven:
        """Puts the message of a dead letter back into its channel and removes the letter, atomically.

        Of a connection's letters only one is under way at a time: while one that was put back is not handled, the
        others are refused as ``busy``. So whoever redrives them in the order of their seq keeps that order. If the
        connection does not live any more, and has no session, it gets the letter's.

        Cancellation: the letter is there still, or its message was put back.

        Raises:
            LayerUnavailable: Redis does not answer; as after a cancellation.
            CodecError: the letter holds no message that a handler could take. It stays.
        """
        ...

    async def drop(self, letter_id: str) -> bool:
        """Removes a dead letter; False if it is not there."""
        ...

    async def close(self) -> None:
        """Ends it. Idempotent."""

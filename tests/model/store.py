"""Redis as the scripts see it: one frozen value. A script is a function from one store to the next.

Time is not in it. A lease runs or has run out, because a rule of the machine says so; ids are one number that only
rises, also when the data falls back, as the clock that Redis makes its ids of does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from .words import CHANNELS, Event, Operation

K = TypeVar("K")
V = TypeVar("V")


def put(mapping: Mapping[K, V], key: K, value: V) -> dict[K, V]:
    """The mapping with one item set; the order of the others stays."""
    return {**mapping, key: value}


def cut(mapping: Mapping[K, V], *keys: K) -> dict[K, V]:
    """The mapping without some items."""
    return {key: value for key, value in mapping.items() if key not in keys}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the protocol relies on. All hold in the real one; `test_mutations` takes them away one by one and shows that
    the model notices.

    Attributes:
        ack_decides: a commit applies the effects of entries only whose acknowledgement counted.
        numbers: a batch whose number was seen adds nothing.
        counted_each: the number of an entry is behind those of all events of the one before.
        one_in_flight: a connection's next entry leaves when the one before is released.
        seqs: an interface drops what was released before.
        tokens: an interface leaves a group only with the token of its newest add.
        leaves_last: it leaves groups behind a whole mailbox entry: a later add in it has the same token.
        barrier: a burial waits for what its interface has published.
        fencing: a buried interface publishes nothing.
        buried_stay: an interface that is being buried does not register, whatever was lost.
        sleepers_stay: nor does one that was asleep for longer than its lease where all was lost.
        overflow_fences: an interface whose mailbox is over its bound is fenced; else what finds no room is dropped.
        restored: an interface writes again what Redis lost.
        republished: and publishes what was in batches that Redis lost.
        reads_on: what an interface reads while it registers is not read again because of the answer.
        found_again: a worker asks what it holds.
        early_is_asked: a worker that was told its early effects were dropped commits nothing of that entry.
    """

    ack_decides: bool = True
    numbers: bool = True
    counted_each: bool = True
    one_in_flight: bool = True
    seqs: bool = True
    tokens: bool = True
    leaves_last: bool = True
    barrier: bool = True
    fencing: bool = True
    buried_stay: bool = True
    sleepers_stay: bool = True
    overflow_fences: bool = True
    restored: bool = True
    republished: bool = True
    reads_on: bool = True
    found_again: bool = True
    early_is_asked: bool = True


REAL = Rules()


class Pending(NamedTuple):
    """A delivered entry: who holds it, and its count of deliveries."""

    consumer: str
    deliveries: int


@dataclass(frozen=True, slots=True)
class Stream:
    """A channel's stream with its consumer group.

    Attributes:
        entries: id to event, in order.
        last: id of the newest entry ever.
        delivered: id of the newest entry ever delivered.
        pending: delivered and not acknowledged.
    """

    entries: Mapping[int, Event] = field(default_factory=dict)
    last: int = 0
    delivered: int = 0
    pending: Mapping[int, Pending] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An interface's mailbox: entries by id, and the id of the newest ever."""

    entries: Mapping[int, tuple[Operation, ...]] = field(default_factory=dict)
    last: int = 0


@dataclass(frozen=True, slots=True)
class Store:
    """All keys; see protocol/README.md, "Keys".

    Attributes:
        rules: what holds.
        capacity: of a channel's stream.
        mailbox_capacity: of a mailbox.
        clock: last id that was given.
        epoch: 0 while there is none.
        streams: by channel.
        mailboxes: by interface.
        published: interface to its last batch; its registration.
        refused: interface to the refusals that may be asked for again, as batch and index from 1.
        leases: process to whether its lease runs.
        suspects: process to heartbeats away.
        dead_workers: in the order of their deaths.
        returned: channels with entries handed back.
        reaping: interfaces under burial.
        barriers: of these, channel to last id.
        registry: interface to connection to the event of its disconnect.
        sessions: connection to value and whether it expires.
        groups: group to interface to token.
        groups_of: interface to groups.
        applied: worker to the number of its last `apply`.
        letters: dead letters.
    """

    rules: Rules = REAL
    capacity: int = 1000
    mailbox_capacity: int = 1000
    clock: int = 0
    epoch: int = 0
    streams: Mapping[str, Stream] = field(default_factory=lambda: {name: Stream() for name in CHANNELS})
    mailboxes: Mapping[str, Mailbox] = field(default_factory=dict)
    published: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    leases: Mapping[str, bool] = field(default_factory=dict)
    suspects: Mapping[str, int] = field(default_factory=dict)
    dead_workers: tuple[str, ...] = ()
    returned: frozenset[str] = frozenset()
    reaping: tuple[str, ...] = ()
    barriers: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    registry: Mapping[str, Mapping[str, Event]] = field(default_factory=dict)
    sessions: Mapping[str, tuple[tuple[int, ...], bool]] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    groups_of: Mapping[str, frozenset[str]] = field(default_factory=dict)
    applied: Mapping[str, int] = field(default_factory=dict)
    letters: tuple[tuple[str, Event], ...] = ()

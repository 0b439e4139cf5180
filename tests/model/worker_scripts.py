"""The scripts of workers: ``commit``, ``apply``, ``claim``, ``give_back``, ``held``, ``leave``, and XREADGROUP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from .effects import apply_effects
from .store import Pending, Store, Stream, cut, put
from .words import Effect, Event

RETURNED = "returned"


class Delivery(NamedTuple):
    """An entry as a worker gets it."""

    channel: str
    id: int
    event: Event
    attempt: int


class Outcome(NamedTuple):
    """A handled entry with its effects."""

    channel: str
    id: int
    effects: tuple[Effect, ...]


def set_stream(store: Store, channel: str, stream: Stream) -> Store:
    return replace(store, streams=put(store.streams, channel, stream))


def read(
    store: Store, worker: str, channels: Sequence[str], count: int
) -> tuple[Store, tuple[Delivery, ...]]:
    """XREADGROUP: up to ``count`` new entries of each channel."""
    taken: list[Delivery] = []
    for channel in channels:
        stream = store.streams[channel]
        new = [entry_id for entry_id in stream.entries if entry_id > stream.delivered][:count]
        if not new:
            continue
        pending = {**stream.pending, **{entry_id: Pending(worker, 1) for entry_id in new}}
        store = set_stream(store, channel, replace(stream, delivered=new[-1], pending=pending))
        taken += [Delivery(channel, entry_id, stream.entries[entry_id], 1) for entry_id in new]
    return store, tuple(taken)


def commit(store: Store, outcomes: Sequence[Outcome]) -> tuple[Store, tuple[int, tuple[int, ...]]]:
    """``commit.lua``. The answer: how many acknowledgements counted, and (which the script does not tell) the indices
    of the outcomes whose effects were applied, in the order in which they were."""
    channels = list(dict.fromkeys(outcome.channel for outcome in outcomes))
    counted, won = 0, []
    for channel in channels:
        batch = [(index, one.id) for index, one in enumerate(outcomes) if one.channel == channel]
        stream = store.streams[channel]
        ids = [entry_id for _, entry_id in batch]
        acknowledged = len(set(ids) & set(stream.pending))
        stands = set(stream.entries)
        stream = replace(stream, pending=cut(stream.pending, *ids))
        seen: set[int] = set()
        for index, entry_id in batch:
            # Acknowledged in full, or else what still stands was not committed before: who commits deletes.
            counts = acknowledged == len(ids) or (entry_id in stands and entry_id not in seen)
            if counts or not store.rules.ack_decides:
                won.append(index)
            seen.add(entry_id)
        store = set_stream(store, channel, _without(stream, ids, acknowledged == len(ids)))
        counted += acknowledged
    store = apply_effects(store, [effect for index in won for effect in outcomes[index].effects])
    return store, (counted, tuple(won))


def _without(stream: Stream, ids: list[int], in_full: bool) -> Stream:
    """The stream without committed entries: by a cut where nothing at or below the last is pending, else one by one."""
    entries = stream.entries
    if in_full and all(entry_id > ids[-1] for entry_id in stream.pending):
        entries = {entry_id: event for entry_id, event in entries.items() if entry_id > ids[-1]}
    return replace(stream, entries=cut(entries, *ids))


def apply(
    store: Store, worker: str, number: int, within: tuple[str, int], effects: Sequence[Effect]
) -> tuple[Store, int]:
    """``apply.lua`` of a worker, within an entry."""
    channel, entry_id = within
    held = store.streams[channel].pending.get(entry_id)
    if held is None or held.consumer != worker:
        return store, 0
    if store.applied.get(worker, 0) >= number:
        return store, 1
    store = replace(store, applied=put(store.applied, worker, number))
    return apply_effects(store, effects), 1


def claim(store: Store, me: str, room: int, channels: Sequence[str]) -> tuple[Store, tuple[Delivery, ...]]:
    """``claim.lua``."""
    taken: list[Delivery] = []
    for channel in channels:
        if channel in store.returned and len(taken) < room:
            store, found, seen = _take(store, me, channel, RETURNED, room - len(taken), 0)
            taken += found
            if not seen:
                store = replace(store, returned=store.returned - {channel})
    for worker in store.dead_workers:
        for channel in channels:
            if not taken:
                store, found, _ = _take(store, me, channel, worker, 1, 1)
                taken += found
        if not any(holds(stream, worker) for stream in store.streams.values()):
            store = replace(
                store,
                dead_workers=tuple(one for one in store.dead_workers if one != worker),
                applied=cut(store.applied, worker),
            )
    return store, tuple(taken)


def holds(stream: Stream, consumer: str) -> bool:
    """Whether a consumer has entries pending."""
    return any(pending.consumer == consumer for pending in stream.pending.values())


def _take(
    store: Store, me: str, channel: str, consumer: str, most: int, rise: int
) -> tuple[Store, list[Delivery], int]:
    stream = store.streams[channel]
    ids = [key for key in sorted(stream.pending) if stream.pending[key].consumer == consumer][:most]
    taken = []
    for entry_id in ids:
        count = stream.pending[entry_id].deliveries + rise
        if entry_id in stream.entries:
            stream = replace(stream, pending=put(stream.pending, entry_id, Pending(me, count)))
            taken.append(Delivery(channel, entry_id, stream.entries[entry_id], count))
        else:
            stream = replace(stream, pending=cut(stream.pending, entry_id))
    return set_stream(store, channel, stream), taken, len(ids)


def give_back(store: Store, worker: str, channel: str, ids: Sequence[int], rise: int) -> tuple[Store, int]:
    """``give_back.lua``."""
    stream, count = store.streams[channel], 0
    for entry_id in ids:
        held = stream.pending.get(entry_id)
        if held is not None and held.consumer == worker:
            back = Pending(RETURNED, held.deliveries + rise)
            stream = replace(stream, pending=put(stream.pending, entry_id, back))
            count += 1
    store = set_stream(store, channel, stream)
    return (replace(store, returned=store.returned | {channel}) if count else store), count


def held(store: Store, worker: str, channels: Sequence[str]) -> tuple[Delivery, ...]:
    """``held.lua``, and the entries themselves."""
    return tuple(
        Delivery(channel, entry_id, store.streams[channel].entries[entry_id], pending.deliveries)
        for channel in channels
        for entry_id, pending in sorted(store.streams[channel].pending.items())
        if pending.consumer == worker and entry_id in store.streams[channel].entries
    )


def leave(store: Store, worker: str) -> tuple[Store, int]:
    """``leave.lua``."""
    store = replace(store, leases=cut(store.leases, worker))
    left = sum(holds(stream, worker) for stream in store.streams.values())
    if left:
        # As ZADD: who is in it gets the new time, and so the last place.
        others = tuple(one for one in store.dead_workers if one != worker)
        return replace(store, dead_workers=(*others, worker)), left
    return replace(store, applied=cut(store.applied, worker)), 0

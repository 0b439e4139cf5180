"""The scripts of heartbeats and burials: ``tick`` and ``reap``."""

from __future__ import annotations

from dataclasses import replace

from .interface_scripts import add_entry, take_out
from .store import Store, cut, put
from .words import SOCKET_CHANNELS
from .worker_scripts import RETURNED

WORKER_PATIENCE = 2
INTERFACE_PATIENCE = 4


def is_interface(process: str) -> bool:
    """Ids of interface servers begin with i, those of workers with w."""
    return process.startswith("i")


def tick(store: Store, me: str, fresh_epoch: int, *, watches: bool, gap: bool, search: bool) -> Store:
    """``tick.lua``.

    Args:
        store: before.
        me: the worker.
        fresh_epoch: begun if there is none.
        watches: it holds the reaper's lock.
        gap: the reaper was away for so long that it begins to count anew.
        search: it is time to look for entries held by nobody.
    """
    store = replace(
        store,
        dead_workers=tuple(worker for worker in store.dead_workers if worker != me),
        epoch=store.epoch or fresh_epoch,
        leases=put(store.leases, me, True),
    )
    if not watches:
        return store
    seen = {} if gap else store.suspects
    store = replace(
        store, suspects={one: away for one, away in seen.items() if store.leases.get(one) is False}
    )
    for process in [one for one, runs in store.leases.items() if not runs]:
        away = store.suspects.get(process, 0) + 1
        patience = INTERFACE_PATIENCE if is_interface(process) else WORKER_PATIENCE
        fenced = is_interface(process) and process not in store.published
        if fenced or away > patience:
            store = replace(store, leases=cut(store.leases, process), suspects=cut(store.suspects, process))
            store = _bury_interface(store, process) if is_interface(process) else _bury_worker(store, process)
        else:
            store = replace(store, suspects=put(store.suspects, process, away))
    return _bury_orphans(store) if search and not gap else store


def _bury_worker(store: Store, worker: str) -> Store:
    others = tuple(one for one in store.dead_workers if one != worker)
    return replace(store, dead_workers=(*others, worker))


def _bury_interface(store: Store, interface: str) -> Store:
    barrier = {channel: store.streams[channel].last for channel in SOCKET_CHANNELS}
    return replace(
        store,
        published=cut(store.published, interface),
        refused=cut(store.refused, interface),
        mailboxes=cut(store.mailboxes, interface),
        barriers=put(store.barriers, interface, barrier),
        reaping=(*(one for one in store.reaping if one != interface), interface),
    )


def _bury_orphans(store: Store) -> Store:
    for stream in store.streams.values():
        for consumer in sorted({pending.consumer for pending in stream.pending.values()}):
            known = consumer == RETURNED or consumer in store.leases or consumer in store.dead_workers
            if not known:
                store = replace(store, dead_workers=(*store.dead_workers, consumer))
    return store


def reap(store: Store, budget: int) -> tuple[Store, tuple[int, int]]:
    """``reap.lua``, which looks at as many entries as there are; the answer as the script's."""
    published = more = 0
    for interface in store.reaping:
        if store.rules.barrier and _is_coming(store, interface):
            continue
        store = replace(store, barriers=cut(store.barriers, interface))
        registered = store.registry.get(interface, {})
        batch = list(registered)[:budget]
        for connection in batch:
            store = add_entry(store, registered[connection])
        published += len(batch)
        left = cut(registered, *batch)
        registry = put(store.registry, interface, left) if left else cut(store.registry, interface)
        store = replace(store, registry=registry)
        if left:
            more = 1
            continue
        groups = sorted(store.groups_of.get(interface, ()))[:budget]
        for group in groups:
            store = take_out(store, interface, group)
        if groups:
            more = 1
        else:
            store = replace(store, reaping=tuple(one for one in store.reaping if one != interface))
    return store, (published, more)


def _is_coming(store: Store, interface: str) -> bool:
    """Whether an entry of the interface at or below the barrier is unread or pending."""
    for channel, last in store.barriers.get(interface, {}).items():
        stream = store.streams[channel]
        for entry_id, event in stream.entries.items():
            unread = entry_id > stream.delivered
            if event.interface == interface and entry_id <= last and (unread or entry_id in stream.pending):
                return True
    return False

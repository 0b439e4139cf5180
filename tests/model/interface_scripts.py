"""The scripts of interface servers: ``register``, ``renew``, ``publish``, ``restore``, ``leave_group``, ``retire``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .store import Mailbox, Store, cut, put
from .words import Event, farewell

Answer = tuple[object, ...]


def add_entry(store: Store, event: Event) -> Store:
    """XADD."""
    stream, entry_id = store.streams[event.channel], store.clock + 1
    stream = replace(stream, entries=put(stream.entries, entry_id, event), last=entry_id)
    return replace(store, clock=entry_id, streams=put(store.streams, event.channel, stream))


def register(
    store: Store, interface: str, known_epoch: int, fresh_epoch: int, slept: bool = False
) -> tuple[Store, Answer]:
    """``register.lua``; the answer is ``("fenced",)`` or ``("ok", epoch, last batch, last id of the mailbox)``."""
    store = replace(store, suspects=cut(store.suspects, interface), epoch=store.epoch or fresh_epoch)
    buried = interface in store.reaping and store.rules.buried_stay
    asleep = slept and store.rules.sleepers_stay
    if interface not in store.published and (store.epoch == known_epoch or buried or asleep):
        return store, ("fenced",)
    if interface not in store.mailboxes:
        clock = store.clock + 1
        store = replace(store, clock=clock, mailboxes=put(store.mailboxes, interface, Mailbox(last=clock)))
    known = store.published.get(interface, 0)
    store = replace(
        store, published=put(store.published, interface, known), leases=put(store.leases, interface, True)
    )
    return store, ("ok", store.epoch, known, store.mailboxes[interface].last)


def renew(store: Store, interface: str, epoch: int, read_id: int) -> tuple[Store, Answer]:
    """``renew.lua``."""
    if store.epoch != epoch:
        return store, ("epoch",)
    if interface not in store.published:
        return store, ("fenced",)
    box = store.mailboxes.get(interface)
    if box is not None:
        box = replace(box, entries={key: value for key, value in box.entries.items() if key >= read_id})
        store = replace(store, mailboxes=put(store.mailboxes, interface, box))
    store = replace(store, leases=put(store.leases, interface, True))
    return store, ("ok", store.published[interface])


def publish(
    store: Store, interface: str, epoch: int, number: int, answered: int, events: Sequence[tuple[Event, bool]]
) -> tuple[Store, Answer]:
    """``publish.lua``; of each event whether it must be taken. The answer is ``("taken",)``, ``("refused", indices)``,
    ``("epoch",)``, ``("gap", last batch)`` or ``("fenced",)``."""
    if store.epoch != epoch:
        return store, ("epoch",)
    last = store.published.get(interface)
    if last is None:
        if store.rules.fencing:
            return store, ("fenced",)
        last = number - 1
    before = store.refused.get(interface, ())
    if number <= last and store.rules.numbers:
        indices = tuple(index for batch, index in before if batch == number)
        return store, ("refused", indices) if indices else ("taken",)
    if number > last + 1:
        return store, ("gap", last)
    refused: list[int] = []
    for index, (event, must) in enumerate(events, 1):
        if must or len(store.streams[event.channel].entries) < store.capacity:
            store = add_entry(store, event)
        else:
            refused.append(index)
    store = replace(store, published=put(store.published, interface, number))
    if not refused:
        return store, ("taken",)
    kept = tuple(one for one in before if one[0] > answered) + tuple((number, index) for index in refused)
    return replace(store, refused=put(store.refused, interface, kept)), ("refused", tuple(refused))


def restore(
    store: Store, interface: str, go_on: int | None, connections: Sequence[str], groups: Mapping[str, int]
) -> tuple[Store, Answer]:
    """``restore.lua``."""
    if interface not in store.published:
        return store, (0,)
    registered = dict(store.registry.get(interface, {}))
    for connection in connections:
        registered[connection] = farewell(interface, connection)
    if registered:
        store = replace(store, registry=put(store.registry, interface, registered))
    for group, token in groups.items():
        members = store.groups.get(group, {})
        if members.get(interface, -1) < token:
            store = replace(store, groups=put(store.groups, group, put(members, interface, token)))
        mine = store.groups_of.get(interface, frozenset()) | {group}
        store = replace(store, groups_of=put(store.groups_of, interface, mine))
    if go_on is not None:
        store = replace(store, published=put(store.published, interface, go_on))
    return store, (1,)


def leave_group(store: Store, interface: str, token: int, group: str) -> tuple[Store, Answer]:
    """``leave_group.lua``."""
    standing = store.groups.get(group, {}).get(interface)
    if standing is None or (store.rules.tokens and standing != token):
        return store, (0,)
    return take_out(store, interface, group), (1,)


def take_out(store: Store, interface: str, group: str) -> Store:
    """Takes an interface out of a group. Redis keeps no empty hashes and sets."""
    members = cut(store.groups.get(group, {}), interface)
    mine = store.groups_of.get(interface, frozenset()) - {group}
    return replace(
        store,
        groups=put(store.groups, group, members) if members else cut(store.groups, group),
        groups_of=put(store.groups_of, interface, mine) if mine else cut(store.groups_of, interface),
    )


def retire(store: Store, interface: str) -> tuple[Store, Answer]:
    """``retire.lua``."""
    leases = put(store.leases, interface, False) if interface in store.leases else store.leases
    return replace(
        store,
        published=cut(store.published, interface),
        refused=cut(store.refused, interface),
        mailboxes=cut(store.mailboxes, interface),
        leases=leases,
    ), (1,)

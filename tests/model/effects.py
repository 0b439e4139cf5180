"""``effects.lua``: how effects change the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .interface_scripts import add_entry
from .store import Mailbox, Store, cut, put
from .words import (
    Add,
    Broadcast,
    Effect,
    GroupSay,
    Join,
    Letter,
    Operation,
    Post,
    Register,
    Send,
    Unregister,
    Write,
    farewell,
)


def apply_effects(store: Store, effects: Sequence[Effect]) -> Store:
    """Applies effects in their order. What they post to one interface becomes one mailbox entry, whose id is the token
    of the adds in it."""
    boxes: dict[str, list[Operation]] = {}
    adds: list[tuple[str, str]] = []
    for effect in effects:
        if isinstance(effect, Post):
            boxes.setdefault(effect.interface, []).append(effect.operation)
        elif isinstance(effect, Add):
            if effect.interface in store.mailboxes:
                adds.append((effect.group, effect.interface))
                boxes.setdefault(effect.interface, []).append(Join(effect.group, effect.connection))
                store = _enter(store, effect.group, effect.interface, 0)
        elif isinstance(effect, Broadcast):
            for interface in store.groups.get(effect.group, {}):
                boxes.setdefault(interface, []).append(GroupSay(effect.group, effect.text))
        else:
            store = _keys(store, effect)
    tokens: dict[str, int] = {}
    for interface, operations in boxes.items():
        box = store.mailboxes.get(interface)
        if box is not None:
            tokens[interface] = token = store.clock + 1
            full = len(box.entries) >= store.mailbox_capacity
            box = Mailbox(put(box.entries, token, tuple(operations)), token)
            store = replace(store, clock=token)
            if not full:
                store = replace(store, mailboxes=put(store.mailboxes, interface, box))
            elif store.rules.overflow_fences:  # its owner does not read
                mailboxes = cut(store.mailboxes, interface)
                store = replace(store, published=cut(store.published, interface), mailboxes=mailboxes)
    for group, interface in adds:
        store = _enter(store, group, interface, tokens[interface])
    return store


def _enter(store: Store, group: str, interface: str, token: int) -> Store:
    groups = put(store.groups, group, put(store.groups.get(group, {}), interface, token))
    mine = store.groups_of.get(interface, frozenset()) | {group}
    return replace(store, groups=groups, groups_of=put(store.groups_of, interface, mine))


def _keys(store: Store, effect: Effect) -> Store:
    """The effects that write keys and post nothing."""
    if isinstance(effect, Write):
        registered = effect.connection in store.registry.get(effect.interface, {})
        session = (effect.value, not registered)
        return replace(store, sessions=put(store.sessions, effect.connection, session))
    if isinstance(effect, Register):
        return _register(store, effect)
    if isinstance(effect, Unregister):
        left = cut(store.registry.get(effect.interface, {}), effect.connection)
        registry = (
            put(store.registry, effect.interface, left) if left else cut(store.registry, effect.interface)
        )
        return replace(store, registry=registry, sessions=cut(store.sessions, effect.connection))
    if isinstance(effect, Send):
        if len(store.streams[effect.event.channel].entries) < store.capacity:
            return add_entry(store, effect.event)
        return replace(store, letters=(*store.letters, ("channel_full", effect.event)))
    assert isinstance(effect, Letter)
    return replace(store, letters=(*store.letters, (effect.reason, effect.event)))


def _register(store: Store, effect: Register) -> Store:
    if effect.interface not in store.leases and effect.interface not in store.reaping:
        return store
    gone = farewell(effect.interface, effect.connection)
    mine = put(store.registry.get(effect.interface, {}), effect.connection, gone)
    store = replace(store, registry=put(store.registry, effect.interface, mine))
    if effect.connection in store.sessions:
        value, _ = store.sessions[effect.connection]
        store = replace(store, sessions=put(store.sessions, effect.connection, (value, False)))
    return store

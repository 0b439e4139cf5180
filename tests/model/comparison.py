"""Whether Redis holds what the model says it holds, key by key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from trunkline.protocol import codec

from .real_redis import RealRedis
from .reaper_scripts import is_interface
from .store import Store, Stream
from .translation import event_of, operations_of, value_of
from .words import Event


def compare(store: Store, real: RealRedis) -> None:
    """Learns the ids of new entries, and compares everything.

    Raises:
        AssertionError: they differ.
    """
    for channel, stream in store.streams.items():
        _compare_stream(channel, stream, real)
    _compare_mailboxes(store, real)
    _same("epoch", int(real.client.get(real.keys.epoch) or 0), store.epoch)
    _compare_interfaces(store, real)
    _compare_connections(store, real)
    _compare_groups(store, real)
    _compare_workers(store, real)


def _same(what: str, found: object, expected: object) -> None:
    assert found == expected, f"{what}: Redis holds {found}, the model {expected}"


def _learn(real: RealRedis, place: str, numbers: Mapping[int, object], ids: list[str], last: int) -> None:
    """Both have the same entries in the same order, so their ids stand for each other."""
    _same(f"number of entries in {place}", len(ids), len(numbers))
    for number, one in zip(numbers, ids, strict=True):
        assert real.ids.setdefault((place, number), one) == one, f"{place} {number}: {one}"
    if last:
        info: Any = real.client.xinfo_stream(real.keys.base + place)
        newest = info["last-generated-id"].decode()
        assert real.ids.setdefault((place, last), newest) == newest, f"newest of {place}: {newest}"


def _entries(real: RealRedis, place: str) -> list[tuple[str, bytes]]:
    found: Any = real.client.xrange(real.keys.base + place)
    return [(one.decode(), fields[b"b"]) for one, fields in found]


def _compare_stream(channel: str, stream: Stream, real: RealRedis) -> None:
    place = f"stream:{channel}"
    entries = _entries(real, place)
    _learn(real, place, stream.entries, [one for one, _ in entries], stream.last)
    _same(place, [event_of(channel, body) for _, body in entries], list(stream.entries.values()))
    key, group = real.keys.stream(channel), real.keys.consumer_group
    groups: Any = real.client.xinfo_groups(key)
    delivered = real.number_of(place, groups[0]["last-delivered-id"].decode())
    _same(f"delivered of {place}", delivered, stream.delivered)
    pending: Any = real.client.xpending_range(key, group, "-", "+", 1000)
    found = {
        real.number_of(place, one["message_id"].decode()): (one["consumer"].decode(), one["times_delivered"])
        for one in pending
    }
    _same(f"pending in {place}", found, dict(stream.pending))


def _compare_mailboxes(store: Store, real: RealRedis) -> None:
    _same("mailboxes", _names(real, "mailbox:"), set(store.mailboxes))
    for interface, box in store.mailboxes.items():
        place = f"mailbox:{interface}"
        entries = _entries(real, place)
        _learn(real, place, box.entries, [one for one, _ in entries], box.last)
        found = [operations_of(codec.decode_mailbox(body)) for _, body in entries]
        _same(place, found, list(box.entries.values()))


def _names(real: RealRedis, kind: str) -> set[str]:
    """The names behind a kind of keys."""
    before = real.keys.base + kind
    found: Any = real.client.keys(before + "*")
    return {key.decode().removeprefix(before) for key in found}


def _hash(real: RealRedis, name: str) -> dict[str, bytes]:
    found: Any = real.client.hgetall(real.keys.base + name)
    return {key.decode(): value for key, value in found.items()}


def _compare_interfaces(store: Store, real: RealRedis) -> None:
    found = _hash(real, "published")
    known = {name: int(value) for name, value in found.items() if "!" not in name}
    _same("published", known, dict(store.published))
    refused = {
        name.partition("!")[0]: tuple(tuple(map(int, one.split("."))) for one in value.decode().split())
        for name, value in found.items()
        if "!" in name
    }
    _same("refused", refused, dict(store.refused))
    _same("reaping", _members(real, "reaping"), set(store.reaping))
    for interface in store.reaping:
        barrier = _hash(real, f"barrier:{interface}")
        for (
            channel,
            last,
        ) in barrier.items():  # the script forgets a channel as soon as nothing is coming there
            if "!" not in channel:
                number = real.number_of(f"stream:{channel}", last.decode())
                _same(f"barrier of {interface} in {channel}", number, store.barriers[interface][channel])


def _members(real: RealRedis, name: str) -> set[str]:
    found: Any = real.client.zrange(real.keys.base + name, 0, -1)
    return {one.decode() for one in found}


def _compare_connections(store: Store, real: RealRedis) -> None:
    registry: dict[str, dict[str, Event]] = {}
    for interface in _names(real, "connections:"):
        found = _hash(real, f"connections:{interface}")
        registry[interface] = {name: event_of("websocket.disconnect", body) for name, body in found.items()}
    _same("registry", registry, {name: dict(found) for name, found in store.registry.items()})
    sessions = {}
    for connection in _names(real, "session:"):
        key = real.keys.session(connection)
        value: Any = real.client.get(key)
        sessions[connection] = (value_of(value), real.client.pttl(key) >= 0)
    _same("sessions", sessions, dict(store.sessions))


def _compare_groups(store: Store, real: RealRedis) -> None:
    groups: dict[str, dict[str, int]] = {}
    for group in _names(real, "group:"):
        groups[group] = {
            interface: real.number_of(f"mailbox:{interface}", token.decode())
            for interface, token in _hash(real, f"group:{group}").items()
        }
    _same("groups", groups, {name: dict(found) for name, found in store.groups.items()})
    found: dict[str, set[str]] = {}
    for interface in _names(real, "groups:"):
        mine: Any = real.client.smembers(real.keys.groups_of(interface))
        found[interface] = {one.decode() for one in mine}
    _same("groups of interfaces", found, {name: set(names) for name, names in store.groups_of.items()})


def _compare_workers(store: Store, real: RealRedis) -> None:
    seconds: Any = real.client.time()[0]
    leases: dict[str, bool] = {}
    for role in ("interface", "worker"):
        found: Any = real.client.zrange(real.keys.leases(role), 0, -1, withscores=True)
        leases |= {one.decode(): end > seconds * 1000 for one, end in found}
        assert all(is_interface(one.decode()) == (role == "interface") for one, _ in found)
    _same("leases", leases, dict(store.leases))
    suspects = {name: int(away) for name, away in _hash(real, "suspects").items()}
    _same("suspects", suspects, dict(store.suspects))
    _same("dead workers", _members(real, "dead-workers"), set(store.dead_workers))
    returned: Any = real.client.smembers(real.keys.base + "returned")
    _same("returned", {one.decode() for one in returned}, set(store.returned))
    applied = {name: int(number) for name, number in _hash(real, "applied").items()}
    _same("applied", applied, dict(store.applied))
    _same("dead letters", real.client.xlen(real.keys.dead()), len(store.letters))


def adopt_orders(store: Store, real: RealRedis) -> Store:
    """What died in the same millisecond has no order of its own, nor has a hash: the model takes that of Redis."""

    def ordered(name: str) -> tuple[str, ...]:
        found: Any = real.client.zrange(real.keys.base + name, 0, -1)
        return tuple(one.decode() for one in found)

    registry = {
        interface: {name: found[name] for name in _hash(real, f"connections:{interface}")}
        for interface, found in store.registry.items()
    }
    return replace(store, dead_workers=ordered("dead-workers"), reaping=ordered("reaping"), registry=registry)

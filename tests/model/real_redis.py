"""The real scripts on a real Redis, called and answered as the model's are.

Ids are Redis' own. Which of the model's numbers stands for which is learned by `tests.model.comparison`, stream by
stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import redis

from trunkline.protocol.layer import Publication
from trunkline.protocol.messages import Delivery as RealDelivery
from trunkline.protocol.messages import Outcome as RealOutcome
from trunkline.protocol.names import ChannelName, Keys
from trunkline.protocol.redis_layer.commit_call import SESSION_TTL_MS, commit_args, flatten
from trunkline.protocol.redis_layer.lease_thread import INTERFACE_PATIENCE, WORKER_PATIENCE
from trunkline.protocol.redis_layer.publishing import entry_args
from trunkline.protocol.redis_layer.scripts import SCRIPTS
from trunkline.protocol.tracks import MAIN

from .interface_scripts import Answer
from .translation import body_of, effect_of, event_of
from .words import CHANNELS, DISCONNECT, SOCKET_CHANNELS, Effect, Event, farewell
from .worker_scripts import Delivery, Outcome

FOREVER_MS = 10**9
"""A lease that does not run out by itself: a test says when one has."""
PLENTY = 100_000
"""A bound that nothing reaches."""
WINDOW_MS = 5000
"""Between two searches of tick.lua for entries that nobody holds."""


class RealRedis:
    """The scripts.

    Args:
        client: on a Redis whose keys under ``prefix`` are this value's own.
        prefix: of the keys.
        capacity: of a channel's stream.
        mailbox_capacity: of a mailbox.

    Attributes:
        ids: place (a stream's key without the base) and the model's number to Redis' id.
        keys: of Redis.
    """

    def __init__(self, client: redis.Redis, prefix: str, capacity: int, mailbox_capacity: int) -> None:
        self.client = client
        self.keys = Keys(prefix)
        self.capacity = capacity
        self.mailbox_capacity = mailbox_capacity
        self.ids: dict[tuple[str, int], str] = {}
        self.begin()

    def begin(self) -> None:
        """Makes the streams and their groups, as workers do when they begin and when they find none."""
        for channel in CHANNELS:
            self.client.xgroup_create(self.keys.stream(channel), self.keys.consumer_group, "0", mkstream=True)
            self.client.sadd(self.keys.channels, channel)

    def wipe(self) -> None:
        """Loses everything."""
        found = list(self.client.scan_iter(match=self.keys.base.replace("[", "\\[") + "*", count=1000))
        if found:
            self.client.delete(*found)

    def id_of(self, place: str, number: int) -> str:
        """Redis' id for a number of the model; 0 is the beginning, what was never seen the end."""
        return "0-0" if number == 0 else self.ids.get((place, number), "9999999999999-0")

    def number_of(self, place: str, real: str) -> int:
        """The model's number for an id of Redis; -1 if that was never seen."""
        if real == "0-0":
            return 0
        return next((number for (at, number), one in self.ids.items() if at == place and one == real), -1)

    def call(self, script: str, keys: Sequence[str], *args: Any) -> Any:
        """Runs a script."""
        try:
            return self.client.evalsha(SCRIPTS[script].sha, len(keys), *keys, *args)
        except redis.exceptions.NoScriptError:
            return self.client.eval(SCRIPTS[script].text, len(keys), *keys, *args)

    # ---- interface servers ----

    def register(self, interface: str, known_epoch: int, fresh_epoch: int, slept: bool) -> Answer:
        known = str(known_epoch) if known_epoch else ""
        args = (self.keys.base, interface, known, fresh_epoch, FOREVER_MS, b"info", int(slept))
        answer = self.call("register", [self.keys.epoch], *args)
        if answer[0] == b"fenced":
            return ("fenced",)
        return ("ok", int(answer[1]), answer[2], answer[3].decode())

    def renew(self, interface: str, epoch: int, read_id: int) -> Answer:
        read = self.id_of(f"mailbox:{interface}", read_id)
        args = (self.keys.base, interface, epoch, FOREVER_MS, read)
        answer = self.call("renew", [self.keys.epoch], *args)
        return ("ok", answer[1]) if answer[0] == b"ok" else (answer[0].decode(),)

    def publish(
        self, interface: str, epoch: int, number: int, answered: int, events: Sequence[tuple[Event, bool]]
    ) -> Answer:
        args: list[Any] = [self.keys.base, interface, epoch, number, answered, self.capacity]
        args += entry_args(
            [Publication(ChannelName(event.channel), body_of(event), None, must) for event, must in events]
        )
        answer = self.call("publish", [self.keys.epoch], *args)
        if answer == 1:
            return ("taken",)
        kind = answer[0].decode()
        if kind == "refused":
            return ("refused", tuple(answer[1:]))
        return ("gap", answer[1]) if kind == "gap" else (kind,)

    def restore(
        self, interface: str, go_on: int | None, connections: Sequence[str], groups: Mapping[str, int]
    ) -> Answer:
        args: list[Any] = [self.keys.base, interface, "" if go_on is None else go_on, len(connections)]
        for connection in connections:
            args += (connection, body_of(farewell(interface, connection)))
        for group, token in groups.items():
            args += (group, self.id_of(f"mailbox:{interface}", token))
        return (self.call("restore", [self.keys.registry(interface)], *args),)

    def leave_group(self, interface: str, token: int, group: str) -> Answer:
        real = self.id_of(f"mailbox:{interface}", token)
        args = (self.keys.base, interface, real, group)
        return (self.call("leave_group", [self.keys.group(group)], *args),)

    def retire(self, interface: str) -> Answer:
        return (self.call("retire", [self.keys.published()], self.keys.base, interface),)

    # ---- workers ----

    @property
    def _effect_args(self) -> tuple[Any, ...]:
        return (self.keys.base, self.capacity, self.mailbox_capacity, PLENTY, SESSION_TTL_MS)

    def read(self, worker: str, channels: Sequence[str], count: int) -> tuple[Delivery, ...]:
        by_stream = {self.keys.stream(channel).encode(): channel for channel in channels}
        streams: Any = dict.fromkeys(by_stream, ">")
        answer: Any = self.client.xreadgroup(self.keys.consumer_group, worker, streams, count)
        return tuple(
            self.delivery(by_stream[stream], key.decode(), fields[b"b"], 1)
            for stream, entries in answer
            for key, fields in entries
        )

    def delivery(self, channel: str, real: str, body: bytes, attempt: int) -> Delivery:
        number = self.number_of(f"stream:{channel}", real)
        return Delivery(channel, number, event_of(channel, body), attempt)

    def commit(self, outcomes: Sequence[Outcome]) -> int:
        real = [
            RealOutcome(
                RealDelivery(
                    ChannelName(one.channel), self.id_of(f"stream:{one.channel}", one.id), b"", 1, 0.0
                ),
                [effect_of(effect) for effect in one.effects],
            )
            for one in outcomes
        ]
        channels, args = commit_args(real)
        keys = [self.keys.stream(channel) for channel in channels]
        counted, *failures = self.call("commit", keys, *self._effect_args, self.keys.consumer_group, *args)
        assert not failures, failures
        return int(counted)

    def apply(self, worker: str, number: int, within: tuple[str, int], effects: Sequence[Effect]) -> int:
        channel, entry = within
        flat = flatten([effect_of(effect) for effect in effects])
        args = (
            self.id_of(f"stream:{channel}", entry),
            self.keys.consumer_group,
            worker,
            number,
            len(effects),
        )
        answer, *failures = self.call("apply", [self.keys.stream(channel)], *self._effect_args, *args, *flat)
        assert not failures, failures
        return int(answer)

    def claim(self, me: str, room: int, channels: Sequence[str]) -> tuple[Delivery, ...]:
        args = (self.keys.base, self.keys.consumer_group, me, room, *channels)
        return tuple(
            self.delivery(channel.decode(), key.decode(), fields[1], count)
            for channel, key, fields, count, *_ in self.call("claim", [self.keys.dead_workers], *args)
        )

    def give_back(self, worker: str, channel: str, ids: Sequence[int], rise: int) -> int:
        real = [self.id_of(f"stream:{channel}", number) for number in ids]
        args = (self.keys.base, self.keys.consumer_group, channel, worker, rise, 0, *real)
        return int(self.call("give_back", [self.keys.stream(channel)], *args))

    def held(self, worker: str, channels: Sequence[str]) -> tuple[Delivery, ...]:
        streams = [self.keys.stream(channel) for channel in channels]
        found = []
        for index, key, count in self.call("held", streams, self.keys.consumer_group, worker, PLENTY):
            entries: Any = self.client.xrange(streams[index - 1], key, key)
            for _, fields in entries:
                found.append(self.delivery(channels[index - 1], key.decode(), fields[b"b"], count))
        return tuple(found)

    def leave(self, worker: str) -> int:
        args = (self.keys.base, worker, self.keys.consumer_group)
        return int(self.call("leave", [self.keys.leases("worker")], *args))

    # ---- heartbeats and burials ----

    def must_search(self) -> bool:
        """Whether the time between two searches ends so soon that the next heartbeat may see it end."""
        seconds, micros = self._time()
        return (seconds * 1000 + micros // 1000) % WINDOW_MS > WINDOW_MS - 1000

    def _time(self) -> tuple[int, int]:
        seconds, micros = self.client.time()
        return int(seconds), int(micros)

    def tick(self, me: str, fresh_epoch: int, *, watches: bool, gap: bool, search: bool) -> None:
        base, (seconds, micros) = self.keys.base, self._time()
        seen_ms = 0 if gap else seconds * 1000 + micros // 1000 - (WINDOW_MS if search else 0)
        self.client.set(base + "watched", seen_ms)
        self.client.set(self.keys.reaper, me if watches else "somebody else")
        args = (
            base, me, FOREVER_MS, b"info", fresh_epoch, FOREVER_MS, WORKER_PATIENCE, INTERFACE_PATIENCE,
            self.keys.consumer_group, MAIN, *SOCKET_CHANNELS,
        )  # fmt: skip
        self.call("tick", [self.keys.reaper], *args)

    def lease_over(self, process: str) -> None:
        for role in ("interface", "worker"):
            self.client.zadd(self.keys.leases(role), {process: 0}, xx=True)

    def reap(self) -> tuple[int, int]:
        args = (self.keys.base, self.keys.consumer_group, PLENTY, DISCONNECT, PLENTY, PLENTY * 1000)
        published, more = self.call("reap", [self.keys.reaping], *args)
        return published, more

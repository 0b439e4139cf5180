"""Sessions that a commit writes together: each as if it were written by itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.protocol.layer_harness import body
from tests.protocol.redis_layer.conftest import Faulty, NotingInterface, NotingWorker
from trunkline.protocol.messages import Delivery, Effect, Outcome, Post, Register, SessionWrite, Unregister
from trunkline.protocol.names import RECEIVE, ConnectionId, InterfaceId
from trunkline.protocol.redis_layer import RedisOperatorLayer
from trunkline.protocol.redis_layer.commit_call import commit_args
from trunkline.protocol.redis_layer.scripts import SCRIPTS

GONE = InterfaceId("gone")


def write(interface: InterfaceId, connection: str, value: bytes) -> SessionWrite:
    return SessionWrite(interface, ConnectionId(connection), value)


async def opened(faulty: Faulty, entries: int) -> tuple[NotingInterface, NotingWorker, list[Delivery]]:
    """An interface server with the connections a, b and c, and a worker that holds entries of it."""
    interface, worker = await faulty.interface(), await faulty.worker(RECEIVE)
    await worker.apply(*(Register(interface.id, ConnectionId(name), b"gone") for name in "abc"))
    interface.publish(RECEIVE, *(body(str(number)) for number in range(entries)))
    return interface, worker, await worker.take(entries)


def lasts(faulty: Faulty, connection: str) -> bool:
    """Whether a session is there for as long as its connection, and not for a time."""
    left_ms = faulty.client.pttl(faulty.keys.session(ConnectionId(connection)))
    assert left_ms == -1 or left_ms > 0, f"there is no session of {connection}"
    return left_ms == -1


@pytest.mark.parametrize("besides", ["nothing", "another mailbox", "another effect"])
@pytest.mark.parametrize("names", ["a", "ab", "abc", "x", "ax", "xbc", "abcx"])
async def test_a_session_lasts_as_long_as_its_connection_or_for_a_time(
    faulty: Faulty, names: str, besides: str
) -> None:
    interface, worker, deliveries = await opened(faulty, len(names) + 1)
    outcomes = [
        Outcome(delivery, [write(interface.id, name, name.encode()), interface.post(name, name)])
        for delivery, name in zip(deliveries, names, strict=False)
    ]
    more: dict[str, list[Effect]] = {
        "another mailbox": [write(GONE, "y", b"y"), Post(GONE, b"")],
        "another effect": [interface.add("room", "a"), write(GONE, "y", b"y")],
    }
    if besides in more:
        outcomes.append(Outcome(deliveries[-1], more[besides]))

    assert await worker.commit(*outcomes) == len(outcomes)

    assert await worker.sessions(*names) == [name.encode() for name in names]
    assert [lasts(faulty, name) for name in names] == [name in "abc" for name in names]
    assert (await interface.receive(len(names)))[: len(names)] == list(names)
    if besides in more:
        assert not lasts(faulty, "y")


@pytest.mark.parametrize("interfaces", [1, 2])
async def test_the_sessions_of_entries_that_somebody_else_committed_stay_as_they_are(
    faulty: Faulty, interfaces: int
) -> None:
    interface, worker, deliveries = await opened(faulty, 4)
    others = [interface.id, interface.id, GONE if interfaces == 2 else interface.id, interface.id]
    names = ["a", "b", "y" if interfaces == 2 else "c", "z"]

    def outcomes(value: bytes) -> list[Outcome]:
        return [
            Outcome(delivery, [write(other, name, value), interface.post(name, name + value.decode())])
            for delivery, other, name in zip(deliveries, others, names, strict=True)
        ]

    early, late = outcomes(b"1"), outcomes(b"2")
    assert await worker.commit(early[0], early[2]) == 2

    assert await worker.commit(*late) == 2

    assert await worker.sessions(*names) == [b"1", b"2", b"1", b"2"]
    posted = await interface.receive(4)
    assert posted == [names[0] + "1", names[2] + "1", names[1] + "2", names[3] + "2"]


async def test_the_last_of_two_writes_counts_and_a_deletion_too(faulty: Faulty) -> None:
    interface, worker, deliveries = await opened(faulty, 6)
    values = [("a", b"1"), ("b", b"1"), ("a", b"2"), ("b", b""), ("c", b""), ("c", b"2")]

    await worker.commit(
        *(
            Outcome(delivery, [write(interface.id, name, value), interface.post(name, name)])
            for delivery, (name, value) in zip(deliveries, values, strict=True)
        )
    )

    assert await worker.sessions("a", "b", "c") == [b"2", b"", b"2"]


async def test_a_connection_that_is_registered_or_forgotten_in_the_same_commit(faulty: Faulty) -> None:
    interface, worker, deliveries = await opened(faulty, 4)
    new = ConnectionId("new")

    await worker.commit(
        Outcome(deliveries[0], [write(interface.id, "new", b"n"), interface.post("new", "n")]),
        Outcome(deliveries[1], [Register(interface.id, new, b"gone")]),
        Outcome(deliveries[2], [write(interface.id, "a", b"a"), interface.post("a", "a")]),
        Outcome(deliveries[3], [write(interface.id, "b", b"b"), Unregister(interface.id, ConnectionId("a"))]),
    )

    assert await worker.sessions("new", "a", "b") == [b"n", b"", b"b"]
    assert lasts(faulty, "new") and lasts(faulty, "b")


async def test_more_sessions_than_are_written_at_once(faulty: Faulty) -> None:
    interface, worker, _ = await opened(faulty, 0)
    names = [str(number) for number in range(1203)]

    await worker.apply(*(write(interface.id, name, name.encode()) for name in ["a", *names, "b"]))

    assert await worker.sessions("a", *names, "b") == [name.encode() for name in ["a", *names, "b"]]
    assert lasts(faulty, "a") and lasts(faulty, "b") and not lasts(faulty, "7")


async def test_more_entries_with_sessions_than_can_be_written_at_once(faulty: Faulty) -> None:
    interface, worker, deliveries = await opened(faulty, 1203)
    names = ["a", *map(str, range(1201)), "b"]

    counted = await worker.commit(
        *(
            Outcome(delivery, [write(interface.id, name, name.encode()), interface.post(name, name)])
            for delivery, name in zip(deliveries, names, strict=True)
        )
    )

    assert counted == 1203
    assert await worker.sessions(*names) == [name.encode() for name in names]
    assert await interface.receive(1203) == names


@pytest.mark.parametrize("entries", [1, 2])
@pytest.mark.parametrize("broken", ["connections", "mailbox"])
async def test_a_key_of_another_type_costs_nothing_but_what_needs_it(
    faulty: Faulty, entries: int, broken: str
) -> None:
    interface, worker, deliveries = await opened(faulty, entries + 1)
    other = InterfaceId("other")
    key = faulty.keys.registry(other) if broken == "connections" else faulty.keys.mailbox(other)
    faulty.client.set(key, "of another type")
    names = "xy"[:entries]

    counted = await worker.commit(
        *(
            Outcome(delivery, [write(other, name, name.encode()), Post(other, name.encode())])
            for delivery, name in zip(deliveries, names, strict=False)
        )
    )
    await worker.commit(Outcome(deliveries[-1], [write(interface.id, "a", b"a"), interface.post("a", "a")]))

    assert counted == entries
    assert await interface.receive() == ["a"]
    expected = [b""] * entries if broken == "connections" else [name.encode() for name in names]
    assert await worker.sessions(*names) == expected
    operator = RedisOperatorLayer(faulty.settings)
    letters = await operator.dead_letters()
    await operator.close()
    # What is posted to one mailbox is one entry, and so one letter.
    assert [letter.reason for letter in letters] == ["effect_failed"] * (
        entries if broken == "connections" else 1
    )
    assert all("WRONGTYPE" in letter.error for letter in letters)


@pytest.mark.parametrize("entries", [1, 2])
async def test_a_mailbox_that_outgrows_its_bound_fences_its_interface_server(
    faulty: Faulty, entries: int
) -> None:
    interface, _, deliveries = await opened(faulty, entries)
    channels, args = commit_args([Outcome(delivery, [interface.post("a", "a")]) for delivery in deliveries])
    keys, mailbox = faulty.keys, faulty.keys.mailbox(interface.id)
    bound = faulty.client.xlen(mailbox)

    head: list[str | bytes | int] = [keys.base, 1000, bound, 1000, 1000, keys.consumer_group]
    streams = [keys.stream(channel) for channel in channels]
    answer: Any = faulty.client.evalsha(SCRIPTS["commit"].sha, len(streams), *streams, *head, *args)

    assert answer == [entries]
    assert not faulty.client.hexists(keys.published(), interface.id)
    assert not faulty.client.exists(mailbox)

"""Effects that cannot be applied: Redis undoes nothing, so one of them must not cost the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.protocol.layer_harness import body
from tests.protocol.redis_layer.conftest import Faulty, NotingInterface
from tests.support.waiting import until
from trunkline.protocol.messages import (
    ChannelSend,
    DeadLetter,
    Effect,
    GroupSend,
    Outcome,
    Post,
    Register,
    SetAside,
    Unregister,
)
from trunkline.protocol.names import RECEIVE, ChannelName, ConnectionId, GroupName, InterfaceId
from trunkline.protocol.redis_layer import RedisOperatorLayer

C = ConnectionId("c")
JOBS = ChannelName("jobs")


def effect_on(kind: str, interface: NotingInterface) -> Effect:
    """An effect that needs the key of this kind."""
    effects: dict[str, Effect] = {
        "group:room": interface.add("room", "c"),
        "group:hall": GroupSend(GroupName("hall"), b""),
        f"connections:{interface.id}": Register(interface.id, C, b"x"),
        "connections:gone": Unregister(InterfaceId("gone"), C),
        "stream:jobs": ChannelSend(JOBS, b"x"),
        "delayed": ChannelSend(JOBS, b"x", 1000),
        "delayed ": SetAside(JOBS, b"x", 1000, b"letter"),
        "mailbox:other": Post(InterfaceId("other"), b""),
        "dead": DeadLetter(b"x"),
    }
    return effects[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "group:room",
        "group:hall",
        "connections:",
        "connections:gone",
        "stream:jobs",
        "delayed",
        "delayed ",
        "mailbox:other",
        "dead",
    ],
)
async def test_an_effect_that_cannot_be_applied_costs_no_other(
    faulty: Faulty, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("0"), body("1"))
    first, second = await worker.take(2)
    kind = kind + interface.id if kind == "connections:" else kind
    faulty.client.set(faulty.keys.base + kind.strip(), "of another type")

    counted = await worker.commit(
        Outcome(first, [effect_on(kind, interface), interface.post("c", "A")]),
        Outcome(second, [interface.post("c", "B")]),
    )
    await worker.apply(effect_on(kind, interface), interface.post("c", "C"))

    assert counted == 2
    assert await interface.receive(3) == ["A", "B", "C"]
    assert worker.told == []
    assert "WRONGTYPE" in caplog.text
    if kind != "dead":
        operator = RedisOperatorLayer(faulty.settings)
        letters = await operator.dead_letters()
        await operator.close()
        assert [letter.reason for letter in letters] == ["effect_failed"] * 2
        assert "WRONGTYPE" in letters[0].error


async def test_a_stream_that_somebody_overwrote_costs_the_others_nothing(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE, JOBS)
    interface.publish(JOBS, body("0"))
    overwritten = await worker.take_one()
    interface.publish(RECEIVE, body("1"))
    sound = await worker.take_one()
    worker.layer.stop_reading()
    faulty.client.set(faulty.keys.stream(JOBS), "of another type")

    counted = await worker.commit(
        Outcome(sound, [interface.post("c", "sound")]), Outcome(overwritten, [interface.post("c", "lost")])
    )

    assert counted == 1
    assert await interface.receive() == ["sound"]


async def test_an_entry_that_stands_twice_in_a_commit_has_its_effects_once(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("0"))
    delivery = await worker.take_one()
    outcome = Outcome(delivery, [interface.post("c", "once")])

    assert await worker.commit(outcome, outcome) == 1

    await worker.apply(interface.post("c", "after"))
    assert await interface.receive(2) == ["once", "after"]


MIB = 1024 * 1024


async def test_a_large_commit_is_sent_in_parts_and_counts_as_one(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, *(body(str(number)) for number in range(6)))
    deliveries = await worker.take(6)
    link = worker.redis_layer._calls.link
    sizes: list[int] = []
    send = link.send

    def noted(packed: bytes, callback: Callable[[object], None]) -> bool:
        sizes.append(len(packed))
        return send(packed, callback)

    monkeypatch.setattr(link, "send", noted)
    texts = [str(number) * (3 * MIB // 2) for number in range(6)]

    counted = await worker.commit(
        *(Outcome(one, [interface.post("c", text)]) for one, text in zip(deliveries, texts, strict=True))
    )

    assert counted == 6
    assert await interface.receive(6) == texts
    assert len(sizes) == 3
    assert max(sizes) < 4 * MIB


async def test_one_outcome_is_never_split_but_its_mailbox_entry_is(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("0"))
    delivery = await worker.take_one()
    texts = [str(number) * (3 * MIB // 2) for number in range(6)]
    effects: list[Effect] = [interface.post("c", text) for text in texts]

    counted = await worker.finish(
        delivery, effects[0], interface.add("room", "c"), *effects[1:], interface.add("hall", "c")
    )

    assert counted == 1
    assert await interface.receive(6) == texts
    assert [len(operations) for operations, _ in interface.mail] == [3, 2, 3]
    tokens = [token for _, token in interface.mail]
    for group, token in (("room", tokens[0]), ("hall", tokens[2])):
        assert faulty.client.hget(faulty.keys.group(group), interface.id) == token.encode()


async def test_a_large_commit_from_another_thread_is_sent_in_parts_too(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("0"), body("1"))
    first, second = await worker.take(2)
    texts = ["a" * 3 * MIB, "b" * 3 * MIB]
    counted: list[int] = []

    await asyncio.to_thread(
        worker.layer.commit_now,
        [Outcome(first, [interface.post("c", texts[0])]), Outcome(second, [interface.post("c", texts[1])])],
        counted.append,
    )

    assert await interface.receive(2) == texts
    await until(lambda: counted == [2])
    assert len(interface.mail) == 2

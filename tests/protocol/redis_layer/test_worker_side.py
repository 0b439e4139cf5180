"""A worker's side where Redis refuses, is away, or answers late."""

from __future__ import annotations

import pytest

from tests.protocol.layer_harness import body
from tests.protocol.redis_layer.conftest import Faulty, faulty_on
from tests.support.redis_server import RedisServer
from tests.support.waiting import until
from trunkline.protocol.messages import DeadLetter, Delivery, Outcome
from trunkline.protocol.names import RECEIVE
from trunkline.protocol.process.logs import RateLimited
from trunkline.protocol.redis_layer import RedisOperatorLayer, worker_side
from trunkline.protocol.redis_layer.deliveries import Deliveries


async def test_a_call_made_while_redis_is_away_is_answered_when_it_is_back(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("0"))
    delivery = await worker.take_one()
    worker.redis_layer._calls.link.reset("the test says so")
    await until(lambda: worker.told == ["away"])

    assert await worker.commit(Outcome(delivery, [interface.post("c", "x")])) == 1

    assert worker.told == ["away", "back"]
    assert await interface.receive() == ["x"]


async def test_a_call_that_redis_refuses_is_made_again_until_it_takes_it(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    applied: list[str] = []
    faulty.client.set(faulty.keys.base + "applied", "of another type")
    worker.layer.apply([interface.post("c", "x")], lambda: applied.append("x"))
    await until(lambda: "away" in worker.told)
    assert applied == []

    faulty.client.delete(faulty.keys.base + "applied")

    await until(lambda: applied == ["x"])
    assert await interface.receive() == ["x"]
    assert worker.told[-1] == "back"


async def test_an_answer_after_a_silence_tells_that_redis_is_back(faulty: Faulty) -> None:
    worker = await faulty.worker(RECEIVE)
    wire = worker.redis_layer._calls.link._wire
    assert wire is not None
    wire._transport.pause_reading()
    sessions: list[list[bytes]] = []
    worker.layer.sessions([], sessions.append)
    worker.layer.sessions(["c"], sessions.append)  # type: ignore[list-item]
    await until(lambda: worker.told == ["away"])
    assert sessions == [[]]

    wire._transport.resume_reading()

    await until(lambda: sessions == [[], [b""]])
    assert worker.told == ["away", "back"]


async def test_a_silence_that_no_kept_call_has_heard_end_ends_when_nothing_waits(faulty: Faulty) -> None:
    worker = await faulty.worker(RECEIVE)

    worker.redis_layer._calls.silence.go_away()

    await until(lambda: worker.told == ["away", "back"])


async def test_a_take_over_that_redis_refuses_does_not_end_the_reading(
    faulty: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    faulty.client.set(faulty.keys.dead_workers, "of another type")
    worker.redis_layer._takeover.claim()
    worker.layer.read(1)
    await until(lambda: "cannot take over" in caplog.text)
    faulty.client.delete(faulty.keys.dead_workers)

    interface.publish(RECEIVE, body("0"))

    assert (await worker.take_one()).body == body("0")


class Taker:
    """A worker as far as deliveries go."""

    def __init__(self) -> None:
        self.taken: list[Delivery] = []

    def deliver(self, deliveries: list[Delivery]) -> None:
        self.taken += deliveries


def test_what_is_held_is_not_handed_over_again_until_it_is_committed() -> None:
    deliveries, taker = Deliveries(lambda delivery, done: None), Taker()
    deliveries.receiver = taker  # type: ignore[assignment]
    first, second = deliveries.make(RECEIVE, [(b"1-0", [b"b", b"x"]), (b"2-0", [b"b", b"y"])], 1)

    deliveries.hand_over([first])
    deliveries.hand_over([first, second])
    assert taker.taken == [first, second]
    deliveries.committed([Outcome(first, [])])
    deliveries.hand_over([first])

    assert taker.taken == [first, second, first]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([b"b", b"\x01body"], b"\x01body"),
        ([b"x", b"y"], b"xy"),
        ([b"b", b"1", b"c", b"2"], b"b1c2"),
        ([b"\x01x", b"y"], b"\0\x01xy"),
    ],
)
def test_what_no_publisher_wrote_becomes_a_body_that_no_codec_accepts(
    fields: list[bytes], expected: bytes
) -> None:
    (delivery,) = Deliveries(lambda delivery, done: None).make(RECEIVE, [(b"1-0", fields)], 2)

    assert (delivery.id, delivery.body, delivery.attempt) == ("1-0", expected, 2)


async def test_dead_letters_at_their_bound_are_told_at_a_bounded_rate_and_counted(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with faulty_on(own_redis, dead_capacity=2) as faulty:
        monkeypatch.setattr(worker_side, "rate_limited", RateLimited(worker_side.log, per_s=0.001))
        worker = await faulty.worker(RECEIVE)
        told = "dead letters have reached their bound, the oldest make room capacity=2"
        await worker.apply(DeadLetter(b"x"))
        assert told not in caplog.text

        for _ in range(200):
            await worker.apply(DeadLetter(b"x"))

        assert caplog.text.count(told) == 1
        assert "effect not applied" not in caplog.text
        operator = RedisOperatorLayer(faulty.settings)
        stats = await operator.stats()
        await operator.close()
        assert stats.dead_letters + stats.dead_trimmed == 201
        assert stats.dead_trimmed > 0

"""Receivers that fail on what they are told: the layer goes on, and nothing is lost to anybody else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.protocol.layer_harness import body
from tests.protocol.redis_layer.conftest import Faulty, NotingInterface, NotingWorker, faulty_on
from tests.support.redis_server import RedisServer
from tests.support.waiting import until
from trunkline.protocol.layer import Publication
from trunkline.protocol.messages import Delivery
from trunkline.protocol.names import RECEIVE
from trunkline.protocol.redis_layer import RedisInterfaceLayer


class Fault(Exception):
    """Of a receiver."""


def fail(receiver: NotingInterface | NotingWorker, method: str, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Lets the next call of a receiver's method raise; the list has one item when it did."""
    whole = getattr(receiver, method)
    failed: list[Any] = []

    def once(*args: Any) -> Any:
        if failed:
            return whole(*args)
        failed.append(args)
        raise Fault(method)

    monkeypatch.setattr(receiver, method, once)
    return failed


async def test_a_delivery_that_a_worker_fails_to_take_comes_again_entry_by_entry(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    bodies = [body(str(number)) for number in range(3)]
    interface.publish(RECEIVE, *bodies)
    await until(lambda: len(faulty.bodies(RECEIVE)) == 3)
    failed = fail(worker, "deliver", monkeypatch)

    taken = await worker.take(3)

    assert len(failed) == 1
    assert [(one.body, one.attempt) for one in taken] == [(one, 1) for one in bodies]
    for one in taken:
        assert await worker.finish(one) == 1
    assert "Fault: deliver" in caplog.text


async def test_an_entry_that_a_worker_fails_on_alone_goes_to_others_with_its_count_raised(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    interface = await faulty.interface()
    broken = await faulty.worker(RECEIVE)
    whole = broken.deliver

    def deliver(deliveries: list[Delivery]) -> None:
        if any(one.body == body("1") for one in deliveries):
            raise Fault("this one")
        whole(deliveries)

    monkeypatch.setattr(broken, "deliver", deliver)
    interface.publish(RECEIVE, *(body(str(number)) for number in range(3)))
    await until(lambda: len(faulty.bodies(RECEIVE)) == 3)

    mine = await broken.take(2)
    broken.space = 0
    other = await faulty.worker(RECEIVE)
    (taken,) = await other.take(1, 10)

    assert [one.body for one in mine] == [body("0"), body("2")]
    assert taken.body == body("1")
    assert taken.attempt >= 2
    assert await other.finish(taken) == 1
    assert broken.redis_layer._deliveries.known() == {(RECEIVE, one.id) for one in mine}


async def test_a_mailbox_entry_that_an_interface_fails_on_costs_none_behind_it(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    failed = fail(interface, "mailbox", monkeypatch)

    await worker.apply(interface.post("c", "1"))
    await worker.apply(interface.post("c", "2"))

    assert await interface.receive() == ["2"]
    assert len(failed) == 1
    assert interface.told == []
    assert "Fault: mailbox" in caplog.text


async def test_an_interface_that_fails_on_a_refusal_is_told_the_next(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with faulty_on(own_redis, capacity=1) as faulty:
        interface = await faulty.interface()
        interface.publish(RECEIVE, body("0"))
        failed = fail(interface, "refused", monkeypatch)

        interface.publish(RECEIVE, body("1"))
        interface.publish(RECEIVE, body("2"))

        await until(lambda: interface.was_refused)
        refused: Sequence[Publication] = failed[0][0]
        assert [one.body for one in refused] == [body("1")]
        assert [one.body for one in interface.was_refused] == [body("2")]
        assert interface.told == []


@pytest.mark.parametrize("method", ["holdings", "republish"])
async def test_an_interface_that_fails_to_mend_a_loss_is_asked_again(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    interface = await faulty.interface()
    interface.publish(RECEIVE, body("0"))
    await until(lambda: faulty.bodies(RECEIVE))
    failed = fail(interface, method, monkeypatch)

    faulty.client.flushdb()

    await until(lambda: interface.lost)
    assert interface.lost == [(0, 1)]
    assert len(failed) == 1
    await until(lambda: interface.told[-1] == "back")
    interface.publish(RECEIVE, body("1"))
    await until(lambda: faulty.bodies(RECEIVE) == [body("1")])


async def test_an_interface_that_fails_on_its_fencing_is_fenced_all_the_same(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    interface = await faulty.interface()
    failed = fail(interface, "fenced", monkeypatch)

    faulty.client.hdel(faulty.keys.published(), interface.id)

    await until(lambda: failed)
    interface.publish(RECEIVE, body("too late"))
    layer = interface.layer
    assert isinstance(layer, RedisInterfaceLayer)
    assert layer._standing.ended
    assert faulty.bodies(RECEIVE) == []

"""An interface server's side where Redis refuses, forgets, or answers late."""

from __future__ import annotations

import math

import pytest

from tests.protocol.layer_harness import body
from tests.protocol.redis_layer.conftest import Faulty, NotingInterface
from tests.support.waiting import until
from trunkline.protocol.layer import Holdings, Publication
from trunkline.protocol.names import DISCONNECT, RECEIVE, ConnectionId, GroupName
from trunkline.protocol.redis_layer import RedisInterfaceLayer, mailbox_reading


def layer_of(interface: NotingInterface) -> RedisInterfaceLayer:
    assert isinstance(interface.layer, RedisInterfaceLayer)
    return interface.layer


async def test_an_error_of_redis_is_no_answer_and_what_was_sent_is_sent_again(faulty: Faulty) -> None:
    interface = await faulty.interface()
    published, aside = faulty.keys.published(), faulty.keys.base + "aside"
    faulty.client.rename(published, aside)
    faulty.client.set(published, "of another type")

    layer_of(interface)._renew()
    await until(lambda: interface.told == ["away"])
    interface.publish(RECEIVE, body("0"))
    faulty.client.rename(aside, published)

    await until(lambda: faulty.bodies(RECEIVE) == [body("0")])
    await until(lambda: interface.told == ["away", "back"])


async def test_a_batch_that_redis_cannot_take_whole_adds_nothing_until_it_can(faulty: Faulty) -> None:
    interface = await faulty.interface()
    wrong = faulty.keys.stream(DISCONNECT)
    faulty.client.set(wrong, "of another type")

    interface.layer.publish(
        [Publication(RECEIVE, body("0"), None), Publication(DISCONNECT, body("1"), None, must=True)]
    )
    await until(
        lambda: layer_of(interface)._standing.session > 2
    )  # so often a connection was given up for its answer
    assert faulty.bodies(RECEIVE) == []
    faulty.client.delete(wrong)

    await until(lambda: faulty.bodies(DISCONNECT) == [body("1")])
    assert faulty.bodies(RECEIVE) == [body("0")]


async def test_an_answer_to_what_was_asked_before_a_recovery_is_void(faulty: Faulty) -> None:
    interface = await faulty.interface()
    layer = layer_of(interface)
    faulty.client.hdel(faulty.keys.published(), interface.id)
    layer._renew()  # answered with "fenced"
    faulty.client.hset(faulty.keys.published(), interface.id, 0)

    layer._standing.interrupt()
    layer._start_recovery()

    await until(lambda: layer._standing.live)
    assert interface.told == []


async def test_a_publish_tells_of_the_fencing(faulty: Faulty) -> None:
    interface = await faulty.interface()
    faulty.client.hdel(faulty.keys.published(), interface.id)

    interface.publish(RECEIVE, body("0"))

    await until(lambda: interface.told == ["fenced"])
    assert faulty.bodies(RECEIVE) == []


async def test_a_new_connection_tells_of_the_fencing(faulty: Faulty) -> None:
    interface = await faulty.interface()
    faulty.client.hdel(faulty.keys.published(), interface.id)

    layer_of(interface)._calls.reset("the test says so")

    await until(lambda: interface.told == ["away", "fenced"])


async def test_the_fencing_is_told_once_and_nothing_is_registered_after_it(faulty: Faulty) -> None:
    interface = await faulty.interface()
    layer = layer_of(interface)
    faulty.client.hdel(faulty.keys.published(), interface.id)
    layer._start_recovery()
    layer._start_recovery()
    await until(lambda: interface.told == ["fenced"])
    await until(lambda: layer._calls.oldest is None)

    layer._tick()
    layer._calls.reset("the test says so")
    await until(lambda: not layer._calls.up)
    await until(lambda: layer._calls.up)
    await layer._calls.ask(["PING"])

    assert interface.told == ["fenced"]
    assert not faulty.client.hexists(faulty.keys.published(), interface.id)


async def test_a_registration_lost_while_it_is_mended_is_found_out(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    interface = await faulty.interface()
    interface.publish(RECEIVE, body("0"))
    await until(lambda: faulty.bodies(RECEIVE))

    def holdings() -> Holdings:
        faulty.client.hdel(faulty.keys.published(), interface.id)
        return Holdings({ConnectionId("c"): b"gone"}, {})

    monkeypatch.setattr(interface, "holdings", holdings)
    faulty.client.hset(faulty.keys.published(), interface.id, 0)

    await until(lambda: "fenced" in interface.told)
    assert interface.lost == []
    assert not faulty.client.exists(faulty.keys.registry(interface.id))


async def test_a_group_that_cannot_be_left_now_is_left_on_the_next_connection(faulty: Faulty) -> None:
    interface = await faulty.interface()
    layer, room = layer_of(interface), GroupName("room")
    faulty.client.set(faulty.keys.group(room), "of another type")
    layer.leave_group(room, "5-0")
    await layer._calls.ask(["PING"])
    assert layer._leaving == {room: "5-0"}
    faulty.client.delete(faulty.keys.group(room))
    faulty.client.hset(faulty.keys.group(room), interface.id, "5-0")

    layer._calls.reset("the test says so")

    await until(lambda: not layer._leaving)
    assert not faulty.client.exists(faulty.keys.group(room))


async def test_a_group_is_left_once_redis_is_back(faulty: Faulty) -> None:
    interface = await faulty.interface()
    layer, room = layer_of(interface), GroupName("room")
    faulty.client.hset(faulty.keys.group(room), interface.id, "5-0")
    layer._calls.reset("the test says so")
    await until(lambda: interface.told == ["away"])

    layer.leave_group(room, "5-0")

    await until(lambda: not faulty.client.exists(faulty.keys.group(room)))


async def test_a_lease_that_cannot_be_given_up_runs_out(
    faulty: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    interface = await faulty.interface()
    layer_of(interface)._calls.reset("the test says so")

    await interface.layer.retire()

    assert "cannot give its lease up" in caplog.text
    assert faulty.client.zscore(faulty.keys.leases("interface"), interface.id)


async def test_what_comes_after_the_end_is_not_handled(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    layer = layer_of(interface)
    layer._standing.end()

    await worker.apply(interface.post("c", "late"))

    await until(lambda: layer._mailbox.link.oldest is None)
    assert interface.mail == []
    layer._mailbox.link.reset("the test says so")
    await until(lambda: not layer._mailbox.link.up)
    await until(lambda: layer._mailbox.link.up)
    await until(lambda: math.isfinite(layer._mailbox.link._up_since_s), what="it is ready")
    assert layer._mailbox.link.oldest is None


async def test_a_mailbox_behind_what_was_read_is_read_from_its_own_end(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox_reading, "READ_BLOCK_MS", 50)
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    layer = layer_of(interface)
    layer._mailbox.read_id = "9999999999999-0"  # as of a Redis whose clock was ahead

    layer._start_recovery()
    await until(lambda: layer._standing.live)
    await worker.apply(interface.post("c", "x"))

    assert await interface.receive() == ["x"]


async def test_a_mailbox_that_holds_something_else_is_read_again_when_it_is_mended(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox_reading, "READ_BLOCK_MS", 50)
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    layer = layer_of(interface)
    mailbox = faulty.keys.mailbox(interface.id)
    faulty.client.delete(mailbox)
    faulty.client.set(mailbox, "of another type")
    await until(lambda: not layer._mailbox.link.up)

    faulty.client.delete(mailbox)
    layer._start_recovery()
    await until(lambda: layer._standing.live)
    await worker.apply(interface.post("c", "x"))

    assert await interface.receive() == ["x"]


async def test_each_renewal_tells_how_long_redis_took(faulty: Faulty) -> None:
    interface = await faulty.interface()

    layer_of(interface)._renew()
    await until(lambda: interface.answer_times)

    assert all(0 < seconds < 60 for seconds in interface.answer_times)

"""Calls whose answers never arrive: what they did must count once, and what they gave must not be forgotten."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence

import pytest

from tests.protocol.layer_harness import body
from tests.protocol.redis_layer.conftest import Faulty, NotingInterface, faulty_on
from tests.support.redis_server import RedisServer
from tests.support.waiting import until
from trunkline.protocol import codec
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.layer import Holdings
from trunkline.protocol.messages import ChannelSend, Delivery, GroupSend, Outcome
from trunkline.protocol.names import RECEIVE, ChannelName, ConnectionId, GroupName
from trunkline.protocol.redis_layer import (
    RedisInterfaceLayer,
    RedisSender,
    mailbox_reading,
    reading,
    silence,
    worker_side,
)
from trunkline.protocol.redis_layer.link import Link
from trunkline.protocol.redis_layer.scripts import SCRIPTS
from trunkline.protocol.settings import LayerSettings

BACKGROUND = ChannelName("background")


def deafen(link: Link) -> None:
    """Redis hears what is sent, and its answers are lost."""
    assert link._wire is not None
    link._wire._transport.pause_reading()


def drop(link: Link) -> None:
    """Ends the connection, with all answers that were not read."""
    assert link._wire is not None
    link._wire._transport.abort()


def links(interface: NotingInterface) -> tuple[Link, Link]:
    """The one for calls and the one that reads the mailbox."""
    assert isinstance(interface.layer, RedisInterfaceLayer)
    return interface.layer._calls, interface.layer._mailbox.link


def holding(interface: NotingInterface) -> None:
    interface.held = Holdings({ConnectionId("c"): b"\x01gone"}, {GroupName("room"): "5-0"})


@pytest.mark.parametrize("step", ["register", "restore"])
async def test_a_recovery_that_is_cut_off_is_begun_again_and_forgets_nothing(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    interface = await faulty.interface()
    holding(interface)
    interface.publish(RECEIVE, body("0"))
    interface.publish(RECEIVE, body("1"))
    await until(lambda: len(faulty.bodies(RECEIVE)) == 2)
    calls = links(interface)[0]
    ask, sha = calls.ask, SCRIPTS[step].sha
    cut: list[str] = []

    async def ask_and_lose_the_answer(command: Sequence[str | bytes | int]) -> object:
        if command[1] != sha or cut:
            return await ask(command)
        cut.append(step)
        await ask(command)
        drop(calls)
        raise LayerUnavailable("the answer was lost")

    monkeypatch.setattr(calls, "ask", ask_and_lose_the_answer)
    faulty.client.flushdb()

    await until(lambda: interface.lost)
    assert cut == [step]
    assert interface.lost == [(0, 2)]
    assert faulty.client.hgetall(faulty.keys.registry(interface.id)) == {b"c": b"\x01gone"}
    assert faulty.client.hgetall(faulty.keys.group("room")) == {interface.id.encode(): b"5-0"}
    interface.publish(RECEIVE, body("2"))
    await until(lambda: faulty.bodies(RECEIVE) == [body("2")])


async def test_entries_taken_over_in_an_answer_that_was_lost_are_found(faulty: Faulty) -> None:
    interface = await faulty.interface()
    dead = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("0"))
    await dead.take_one()
    living = await faulty.worker(RECEIVE)
    living.space = 0
    dead.redis_layer._lease.stop()
    await until(lambda: faulty.client.exists(faulty.keys.dead_workers), 10)

    deafen(living.redis_layer._calls.link)
    living.space = 1
    await until(lambda: not faulty.client.exists(faulty.keys.dead_workers))
    drop(living.redis_layer._calls.link)

    taken = await living.take_one()
    assert (taken.body, taken.attempt) == (body("0"), 2)
    assert await living.finish(taken) == 1


async def test_effects_whose_answer_was_lost_are_applied_once(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("0"))
    delivery = await worker.take_one()
    applied: list[str] = []
    deafen(worker.redis_layer._calls.link)
    worker.layer.apply([interface.post("c", "1")], lambda: applied.append("1"), delivery)
    worker.layer.apply([interface.post("c", "2")], lambda: applied.append("2"))
    await interface.receive(2)

    drop(worker.redis_layer._calls.link)

    await until(lambda: applied == ["1", "2"])
    await worker.apply(interface.post("c", "3"))
    assert await interface.receive(3) == ["1", "2", "3"]


async def test_effects_within_an_entry_that_was_lost_with_all_data_hold_nothing_up(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("0"))
    delivery = await worker.take_one()

    faulty.client.flushdb()  # and with it the group, which nobody makes again while nobody reads

    await worker.apply(interface.post("c", "x"), within=delivery)
    assert await worker.finish(delivery, interface.post("c", "y")) == 0
    assert worker.told == []


async def test_a_send_from_outside_is_never_repeated_by_itself(own_redis: RedisServer) -> None:
    async with faulty_on(own_redis) as faulty:
        room = GroupName("room")
        chunk = codec.encode_group_send(room, "hello")
        interface = await faulty.interface()
        worker = await faulty.worker(RECEIVE)
        await worker.apply(interface.add("room", "c"))
        path = own_redis.url.removeprefix("unix://")
        calls: list[bytes] = []

        async def lose_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            inner, outer = await asyncio.open_unix_connection(path)
            try:
                while data := await reader.read(1 << 20):
                    outer.write(data)
                    if chunk in data:
                        calls.append(data)
                        while b"*" not in await inner.read(1 << 16):
                            continue  # the call is answered with a list, behind the arrival
                        break
                    if b"EVAL" not in data:
                        writer.write(await inner.read(1 << 16))
            finally:
                writer.close()
                outer.close()

        server = await asyncio.start_unix_server(lose_answers, path + ".proxy")
        settings = faulty.settings.model_copy(update={"redis_url": f"unix://{path}.proxy"})
        await asyncio.to_thread(_send_in_vain, settings, GroupSend(room, chunk))
        server.close()
        await server.wait_closed()

        assert len(calls) == 1
        assert await interface.receive() == ["hello"]


def _send_in_vain(settings: LayerSettings, effect: GroupSend) -> None:
    sender = RedisSender(settings)
    with pytest.raises(LayerUnavailable):
        sender.apply([effect])
    sender.close()


async def test_an_answered_take_over_behind_a_commit_is_no_silence(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("0"))
    delivery = await worker.take_one()
    layer = worker.redis_layer

    committed: list[int] = []
    layer.commit([Outcome(delivery, [])], committed.append)
    layer._takeover.claim()
    await until(lambda: committed)
    loop = asyncio.get_running_loop()
    later_s = loop.time() + silence.SILENCE_S + 2 * worker_side.WATCH_S
    await until(lambda: loop.time() > later_s)

    assert worker.told == []


async def test_what_could_not_be_handed_back_is_not_delivered_a_second_time(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    interface.publish(RECEIVE, body("0"), body("1"))
    kept, _ = await worker.take(2)

    def broken(deliveries: Sequence[Delivery], after_ms: int) -> None:
        raise LayerUnavailable("no answer")

    monkeypatch.setattr(worker.redis_layer._lease, "give_back", broken)
    with pytest.raises(LayerUnavailable):
        await worker.give_back(kept)
    reader = worker.redis_layer._reading.reader_id
    faulty.cut(["trunkline-reader"])
    await until(lambda: worker.redis_layer._reading.reader_id not in (0, reader))
    interface.publish(RECEIVE, body("2"))

    assert (await worker.take_one()).body == body("2")
    assert worker.inbox == []


async def test_a_mailbox_connection_that_falls_silent_is_made_again(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    monkeypatch.setattr(mailbox_reading, "READ_LIMIT_S", 0.5)

    deafen(links(interface)[1])
    await worker.apply(interface.post("c", "x"))

    assert await interface.receive() == ["x"]


async def test_a_reading_connection_that_falls_silent_is_made_again(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    monkeypatch.setattr(reading, "READ_LIMIT_S", 0.5)
    worker.layer.read(1)

    deafen(worker.redis_layer._reading.link)
    interface.publish(RECEIVE, body("0"))

    assert (await worker.take_one()).body == body("0")


async def test_a_worker_ends_beside_a_redis_that_stands_still(own_redis: RedisServer) -> None:
    assert own_redis.pid is not None
    async with faulty_on(own_redis) as faulty:
        worker = await faulty.worker(RECEIVE)
        os.kill(own_redis.pid, signal.SIGSTOP)
        try:
            await asyncio.wait_for(worker.layer.close(), 15)
        finally:
            os.kill(own_redis.pid, signal.SIGCONT)


async def test_what_is_sent_early_while_a_connection_gets_ready_overtakes_nothing(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await faulty.worker(RECEIVE)
    layer, calls = worker.redis_layer, worker.redis_layer._calls
    ask, late = calls.link.ask, asyncio.Event()
    answered: list[str] = []

    async def sends_meanwhile(command: Sequence[str | bytes | int]) -> object:
        if not late.is_set():
            late.set()
            layer.apply([ChannelSend(BACKGROUND, b"late", 0)], lambda: answered.append("late"))
        return await ask(command)

    monkeypatch.setattr(calls.link, "ask", sends_meanwhile)
    drop(calls.link)
    await until(lambda: not calls.link.up)
    layer.apply([ChannelSend(BACKGROUND, b"soon", 0)], lambda: answered.append("soon"))

    await until(lambda: len(answered) == 2)
    assert late.is_set()
    assert answered == ["soon", "late"]
    assert faulty.bodies(BACKGROUND) == [b"soon", b"late"]

"""Connections are read in turns while workers cannot keep up."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.interface.conftest import MakeRig, Rig
from tests.interface.test_connection import accepts_only
from tests.support.client_frames import RawClient, frame
from tests.support.fake_layer import echo
from tests.support.waiting import until
from trunkline.interface import server as server_module
from trunkline.interface.admission import LOOK_S, TURN_S
from trunkline.interface.frames import TEXT
from trunkline.interface.turns import give, look, take_turns
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.names import CONNECT, RECEIVE, REQUEST, ChannelName


class Queues:
    """Waits as a test sets them."""

    def __init__(self, **waits_s: float) -> None:
        self.waits_s: dict[ChannelName, float] = {}
        self.away = False

    async def __call__(self) -> dict[ChannelName, float]:
        if self.away:
            raise LayerUnavailable("away")
        return self.waits_s


async def see(rig: Rig, queues: Queues) -> None:
    """Looks once."""
    await look(rig.shared, queues, rig.server.tenure)


async def test_while_workers_cannot_keep_up_handshakes_and_requests_get_503_with_a_time_to_come_back(
    rig: Rig,
) -> None:
    queues = Queues()
    queues.waits_s = {CONNECT: 60.0, REQUEST: 60.0}
    await see(rig, queues)

    times = set()
    for _ in range(30):
        async with RawClient(*rig.address) as client:
            answer = await client.upgrade()
            assert " 503 " in answer
            times.add(answer.partition("Retry-After: ")[2].partition("\r\n")[0])
    async with rig.client.get(rig.url) as response:
        assert response.status == 503
    assert len(times) > 1
    assert rig.turned_away("busy") == 31
    assert rig.server.metrics.handshakes.get("busy").value == 30
    assert rig.layer.entries == []

    queues.waits_s = {}
    await see(rig, queues)
    async with RawClient(*rig.address) as client:
        assert " 101 " in await client.upgrade()


async def test_open_sockets_are_read_once_and_again_at_their_turn(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "_LEVELS_S", -1.0)
    rig = await make_rig(accepts_only)
    queues = Queues()
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        queues.waits_s = {RECEIVE: 60.0}
        await see(rig, queues)
        client.send(frame(TEXT, b"0"))
        first = await rig.layer.entry(RECEIVE)
        connection = rig.connections()[0]
        assert connection.paused
        client.send(frame(TEXT, b"1"))

        give(rig.shared, rig.server.tenure)
        assert connection.paused, "its entry is under way"
        rig.layer.release(first)
        assert connection.paused, "it is not its turn"
        assert len(rig.layer.of(RECEIVE)) == 1
        assert rig.server.levels().queueing == 1
        give(rig.shared, rig.server.tenure)
        second = await rig.layer.entry(RECEIVE, 1)
        assert second.events == ["1"]
        assert connection.paused

        queues.waits_s = {}
        await see(rig, queues)
        rig.layer.answer = echo
        rig.layer.release(second)
        give(rig.shared, rig.server.tenure)
        assert not connection.paused
        for number in range(5):
            client.send(frame(TEXT, b"%d" % number))
            assert await client.receive() == (0x81, b"%d" % number)
        assert not connection.paused


async def test_in_a_turn_no_more_is_read_than_leaves_with_the_next_entry(make_rig: MakeRig) -> None:
    rig = await make_rig(accepts_only)
    queues = Queues()
    queues.waits_s = {RECEIVE: 60.0}
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        await see(rig, queues)
        client.send(b"".join(frame(TEXT, b"%d" % number) for number in range(60)))
        first = await rig.layer.entry(RECEIVE)
        rig.layer.release(first)
        second = await rig.layer.entry(RECEIVE, 1)
        rig.layer.release(second)

        assert second.events == [str(number) for number in range(1, 33)]
        assert len(rig.layer.of(RECEIVE)) == 2
        give(rig.shared, rig.server.tenure)
        assert (await rig.layer.entry(RECEIVE, 2)).events == ["33"]


async def test_turns_go_round_and_who_is_closed_needs_none(make_rig: MakeRig) -> None:
    rig = await make_rig(accepts_only)
    queues = Queues()
    queues.waits_s = {RECEIVE: 60.0}
    clients = [RawClient(*rig.address) for _ in range(3)]
    for client in clients:
        await client.__aenter__()
        await client.upgrade()
    await see(rig, queues)
    tenure = rig.server.tenure
    assert tenure is not None
    for number, client in enumerate(clients):
        client.send(frame(TEXT, b"%d" % number))
        await rig.layer.entry(RECEIVE, number)
    for entry in rig.layer.of(RECEIVE):
        rig.layer.release(entry)
    assert [connection.paused for connection in rig.connections()] == [True] * 3

    tenure.give_turns(1)
    assert [connection.paused for connection in rig.connections()] == [False, True, True]
    rig.connections()[1].close(4000)
    tenure.give_turns(1)
    assert tenure.turns == {}
    assert not rig.connections()[2].paused
    for client in clients:
        await client.__aexit__(None, None, None)


async def test_a_layer_that_does_not_answer_refuses_nobody_by_its_silence(rig: Rig) -> None:
    queues = Queues()
    queues.waits_s = {RECEIVE: 60.0}
    await see(rig, queues)
    assert rig.shared.admission.busy

    queues.away = True
    await see(rig, queues)

    assert not rig.shared.admission.busy
    await look(rig.shared, queues, None)
    give(rig.shared, None)


async def test_the_loop_looks_and_gives_at_its_pace(rig: Rig) -> None:
    queues = Queues()
    queues.waits_s = {RECEIVE: 60.0}
    sleeps: list[float] = []
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        if len(sleeps) == 12:
            enough.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(take_turns(rig.shared, queues, lambda: rig.server.tenure, sleep))
    await enough.wait()
    task.cancel()

    assert sleeps == [TURN_S] * 12
    assert rig.server.tenure is not None
    assert rig.server.tenure.busy


async def test_while_workers_keep_up_the_loop_only_looks(rig: Rig) -> None:
    queues = Queues()
    sleeps: list[float] = []
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        if len(sleeps) == 2:
            queues.waits_s = {RECEIVE: 60.0}
        if len(sleeps) == 9:
            enough.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(take_turns(rig.shared, queues, lambda: rig.server.tenure, sleep))
    await enough.wait()
    task.cancel()

    assert sleeps == [LOOK_S] * 2 + [TURN_S] * 7


async def test_the_server_refuses_by_what_it_is_told_of_the_queues(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "_LEVELS_S", -1.0)
    queues = Queues()
    queues.waits_s = {RECEIVE: 7.5}
    rig = await make_rig(queue_wait=queues)

    await until(lambda: rig.shared.admission.busy)
    with pytest.raises(aiohttp.WSServerHandshakeError) as found:
        await rig.websocket()

    assert found.value.status == 503
    text = rig.metric_set.exposition().decode()
    assert "trunkline_admission_wait_seconds 7.5" in text
    assert "trunkline_queueing 0.0" in text

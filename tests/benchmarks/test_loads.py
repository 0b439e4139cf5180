"""Each kind of load keeps its books, over a transport that only collects."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.closed import ClosedLoad, payload
from benchmarks.fan_out import FanOutLoad
from benchmarks.paced import PacedLoad
from benchmarks.spec import Kind, Report, Spec
from benchmarks.wire import PING, PONG, client_frame, server_frame
from tests.benchmarks.reports import GOOD


class Collecting(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))


async def test_a_closed_load_sends_the_next_message_when_the_answer_is_there() -> None:
    load, transport = ClosedLoad(latency=False), Collecting()
    socket = load.socket(7)
    socket.opened(transport)
    load.start()
    socket.data_received(server_frame(payload(7, 1)))
    assert transport.written == [client_frame(payload(7, 1)), client_frame(payload(7, 2))]
    assert (load.tally.expected, load.tally.received, load.tally.mismatched) == (2, 1, 0)


async def test_a_closed_load_takes_an_answer_in_pieces_behind_a_ping() -> None:
    load, transport = ClosedLoad(latency=True), Collecting()
    socket = load.socket(7)
    socket.opened(transport)
    load.start()
    data = server_frame(b"are you there", PING) + server_frame(payload(7, 1))
    for byte in data:
        socket.data_received(bytes([byte]))
    assert client_frame(b"are you there", PONG) in transport.written
    assert (load.tally.received, load.tally.mismatched, len(load.tally.latencies_ns)) == (1, 0, 1)


async def test_an_answer_of_another_connection_or_a_second_one_is_a_mismatch() -> None:
    load = ClosedLoad(latency=False)
    socket = load.socket(7)
    socket.opened(Collecting())
    load.start()
    load.stop()
    socket.data_received(server_frame(payload(8, 1)))
    socket.data_received(server_frame(payload(7, 1)))
    socket.data_received(server_frame(payload(7, 1)))
    assert (load.tally.expected, load.tally.received, load.tally.mismatched) == (1, 1, 2)


async def test_a_paced_load_counts_latency_from_the_intended_time_and_wants_order() -> None:
    load = PacedLoad(rate=100, latency=True)
    socket = load.socket(0)
    socket.opened(Collecting())
    socket.send(intended_ns=0)
    socket.send(intended_ns=0)
    socket.data_received(server_frame(payload(0, 1)))
    socket.data_received(server_frame(payload(0, 0)))
    assert (load.tally.expected, load.tally.received, load.tally.mismatched) == (2, 1, 1)
    # Since the clock's zero, so for as long as this machine runs.
    assert load.tally.latencies_ns[0] > 1_000_000_000


async def test_a_fan_out_waits_for_every_member() -> None:
    load, first, second = FanOutLoad(latency=False), Collecting(), Collecting()
    members = [load.socket(0), load.socket(1)]
    for member, transport in zip(members, (first, second), strict=True):
        member.opened(transport)
    load.start()
    members[0].data_received(load.answers[0])
    assert len(first.written) == 1
    members[1].data_received(load.answers[0])
    assert len(first.written) == 2
    assert not second.written
    assert (load.tally.expected, load.tally.received) == (4, 2)


async def test_a_member_that_gets_a_message_twice_has_a_mismatch() -> None:
    load = FanOutLoad(latency=False)
    members = [load.socket(0), load.socket(1)]
    for member in members:
        member.opened(Collecting())
    load.start()
    members[0].data_received(load.answers[0] + load.answers[0])
    assert load.tally.mismatched == 1


def test_specs_and_reports_survive_the_trip_between_processes() -> None:
    spec = Spec(Kind.PACED, "127.0.0.1", 1, "/echo", 5, 200.0, 1.0, 3.0, True, {"floor": 9}, None)
    assert Spec.decode(spec.encode()) == spec
    assert Report.decode(GOOD.encode()) == GOOD

"""Each kind of load keeps its books, over a transport that only collects."""

from __future__ import annotations

from time import monotonic_ns

from benchmarks.closed import ClosedLoad
from benchmarks.fan_out import FanOutLoad, SlowMember
from benchmarks.findings import Report
from benchmarks.overload import OverloadLoad
from benchmarks.paced import PacedLoad
from benchmarks.ring import payload
from benchmarks.spec import Kind, Spec, Target
from benchmarks.wire import client_frame, server_frame
from tests.benchmarks.reports import GOOD
from tests.benchmarks.sockets import Collecting, plain


async def test_a_closed_load_sends_the_next_message_when_the_answer_is_there() -> None:
    load, transport = ClosedLoad(plain(), 16, latency=True), Collecting()
    socket = load.socket(7)
    socket.opened(transport)
    load.start()
    socket.data_received(server_frame(payload(7, 0)))
    assert transport.written == [client_frame(payload(7, 0)), client_frame(payload(7, 1))]
    tally = load.tally
    assert (tally.sent, tally.expected, tally.received, len(tally.latencies_ns)) == (2, 2, 1, 1)


async def test_a_closed_load_of_whole_rings_waits_for_the_last_answer() -> None:
    load, transport = ClosedLoad(plain(), 16, latency=False, whole_rings=True), Collecting()
    socket = load.socket(7)
    socket.opened(transport)
    load.start()
    socket.data_received(socket.ring.stream[:-1])
    assert transport.written == [b"".join(socket.ring.frames)]
    socket.data_received(socket.ring.stream[-1:])
    assert len(transport.written) == 2
    assert load.tally.received == len(socket.ring)


async def test_an_answer_of_another_connection_or_to_nothing_is_a_mismatch() -> None:
    load = ClosedLoad(plain(), 16, latency=False)
    socket = load.socket(7)
    socket.opened(Collecting())
    load.start()
    load.stop()
    socket.data_received(server_frame(payload(8, 0)))
    socket.data_received(server_frame(payload(7, 0)))
    socket.data_received(server_frame(payload(7, 1)))
    assert (load.tally.expected, load.tally.received, load.tally.mismatched) == (1, 1, 2)


async def test_nothing_is_sent_over_a_connection_that_was_lost() -> None:
    closed, paced = ClosedLoad(plain(), 16, latency=False), PacedLoad(plain(), 16, 100, latency=True)
    transport = Collecting()
    transport.close()
    for socket in (closed.socket(0), paced.socket(0)):
        socket.opened(transport)
    closed.start()
    paced.sockets[0].send(0)
    assert transport.written == []
    assert (closed.tally.expected, paced.tally.expected) == (0, 0)


async def test_a_paced_load_counts_latency_from_the_intended_time_and_wants_order() -> None:
    load = PacedLoad(plain(), 16, rate=100, latency=True)
    socket = load.socket(0)
    socket.opened(Collecting())
    intended_ns = monotonic_ns() - 2_000_000_000
    socket.send(intended_ns)
    socket.send(intended_ns)
    socket.data_received(server_frame(payload(0, 1)))
    socket.data_received(server_frame(payload(0, 0)))
    assert (load.tally.expected, load.tally.received, load.tally.mismatched) == (2, 1, 1)
    assert load.tally.latencies_ns[0] > 2_000_000_000


async def test_a_fan_out_waits_for_every_member() -> None:
    load, first, second = (
        FanOutLoad(plain(), 16, room_size=0, slow=0, latency=True),
        Collecting(),
        Collecting(),
    )
    members = [load.socket(0), load.socket(1)]
    for member, transport in zip(members, (first, second), strict=True):
        member.opened(transport)
    load.start()
    members[0].data_received(server_frame(payload(0, 0)))
    assert len(first.written) == 1
    members[1].data_received(server_frame(payload(0, 0)))
    assert len(first.written) == 2
    assert not second.written
    tally = load.tally
    assert (tally.sent, tally.expected, tally.received, len(tally.latencies_ns)) == (2, 4, 2, 1)


async def test_rooms_go_on_each_by_itself() -> None:
    load = FanOutLoad(plain(), 16, room_size=2, slow=0, latency=False)
    transports = [Collecting() for _ in range(4)]
    members = [load.socket(index) for index in range(4)]
    for member, transport in zip(members, transports, strict=True):
        member.opened(transport)
    assert [load.room_of(index) for index in range(4)] == [0, 0, 1, 1]
    load.start()
    for member in members[2:]:
        member.data_received(server_frame(payload(1, 0)))
    assert [len(transport.written) for transport in transports] == [1, 0, 2, 0]


async def test_a_member_that_gets_a_message_twice_has_a_duplicate() -> None:
    load = FanOutLoad(plain(), 16, room_size=0, slow=0, latency=False)
    members = [load.socket(0), load.socket(1)]
    for member in members:
        member.opened(Collecting())
    load.start()
    members[0].data_received(server_frame(payload(0, 0)) * 2)
    assert (load.tally.received, load.tally.duplicates) == (1, 1)


async def test_nothing_is_expected_of_slow_members() -> None:
    load = FanOutLoad(plain(), 16, room_size=0, slow=1, latency=False)
    slow, reader = load.socket(0), load.socket(1)
    reader.opened(Collecting())
    assert isinstance(slow, SlowMember)
    load.start()
    load.stop()
    reader.data_received(server_frame(payload(0, 0)))
    slow.connection_lost(None)
    assert (load.tally.expected, load.tally.received, load.tally.lost) == (1, 1, 0)


async def test_an_overload_offers_rings_whatever_comes_back() -> None:
    load, transport = OverloadLoad(plain(), 16), Collecting()
    socket = load.socket(3)
    socket.opened(transport)
    socket.offer(2)
    socket.offer(1)
    assert transport.written == [b"".join(socket.ring.frames) * 2, b"".join(socket.ring.frames)]
    socket.data_received(socket.ring.stream * 2)
    assert (load.offered, load.tally.expected, load.tally.received) == (96, 96, 64)


def test_specs_and_reports_survive_the_trip_between_processes() -> None:
    target = Target("127.0.0.1", [1, 2], "/echo", "module:name", {"floor": 9}, ["floor"])
    spec = Spec(Kind.PACED, target, "b1", 5, 1.0, 3.0, rate=200.0)
    assert Spec.decode(spec.encode()) == spec
    assert Report.decode(GOOD.encode()) == GOOD

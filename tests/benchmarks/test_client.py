"""A socket that follows a ring, over a transport that only collects."""

from __future__ import annotations

from benchmarks.client import Follower
from benchmarks.ring import Ring
from benchmarks.speech import Speech
from benchmarks.tally import Tally
from benchmarks.wire import CLOSE, PING, PONG, client_frame, server_frame
from tests.benchmarks.sockets import Collecting, plain, wrapped


class Counting(Follower):
    def __init__(self, speech: Speech) -> None:
        super().__init__(Tally(), speech, Ring(1, 16, speech))
        self.count = 0
        self.opened(Collecting())

    def came(self, count: int) -> None:
        self.count += count

    @property
    def written(self) -> list[bytes]:
        assert isinstance(self.transport, Collecting)
        return self.transport.written


async def test_messages_count_when_they_are_whole_however_they_are_cut() -> None:
    socket = Counting(plain())
    data = socket.ring.stream * 3
    counts = []
    for start in range(0, len(data), 7):
        socket.data_received(data[start : start + 7])
        counts.append(socket.count)
    assert counts[:3] == [0, 0, 1]
    assert socket.count == 3 * len(socket.ring)
    assert socket.tally.mismatched == 0


async def test_a_ping_between_pieces_is_answered_and_nothing_is_missed() -> None:
    socket = Counting(plain())
    stream = socket.ring.stream
    data = stream[:18] + server_frame(b"there?", PING) + stream[18:]
    for start in range(0, len(data), 5):
        socket.data_received(data[start : start + 5])
    assert socket.written == [client_frame(b"there?", PONG)]
    assert (socket.count, socket.tally.mismatched) == (len(socket.ring), 0)
    socket.data_received(stream)
    assert socket.count == 2 * len(socket.ring)


async def test_a_message_that_comes_twice_is_a_duplicate() -> None:
    socket = Counting(plain())
    first, second = (server_frame(socket.ring.messages[number]) for number in (0, 1))
    socket.data_received(first + first + second)
    assert (socket.count, socket.tally.duplicates, socket.tally.mismatched) == (2, 1, 0)


async def test_a_message_that_was_left_out_is_a_mismatch() -> None:
    socket = Counting(plain())
    socket.data_received(server_frame(socket.ring.messages[1]))
    assert (socket.count, socket.tally.duplicates, socket.tally.mismatched) == (0, 0, 1)


async def test_wrapped_messages_are_unwrapped_and_questions_answered() -> None:
    socket = Counting(wrapped())
    one, two = socket.ring.messages[:2]
    socket.data_received(server_frame(b"<" + one + b">,<" + two + b">") + server_frame(b"ping"))
    assert (socket.count, socket.tally.mismatched) == (2, 0)
    assert socket.written == [client_frame(b"pong")]


async def test_a_server_that_closes_is_a_loss_unless_it_was_meant() -> None:
    lost, forsaken, closed = (Counting(plain()) for _ in range(3))
    for socket in (lost, forsaken, closed):
        socket.data_received(server_frame((1012).to_bytes(2), CLOSE))
        assert socket.transport.is_closing()
    forsaken.forsake()
    closed.close()
    for socket in (lost, forsaken, closed):
        socket.connection_lost(None)
    assert [socket.tally.lost for socket in (lost, forsaken, closed)] == [1, 0, 0]
    assert closed.written == []

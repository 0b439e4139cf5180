"""Messages to clients that read too slowly."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.interface import backlog
from trunkline.interface.backlog import Backlog, Policy


class Client:
    """A transport that takes ``room`` bytes at once and keeps the rest until the test takes it."""

    def __init__(self, room: int = 0, sock: Any = None) -> None:
        self.room = room
        self.sent = b""
        self.unsent = b""
        self.backlog: Backlog | None = None
        self.fits = True
        self._paused = False
        self._sock = sock

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        assert low < high

    def get_extra_info(self, name: str) -> Any:
        return self._sock

    def get_write_buffer_size(self) -> int:
        return len(self.unsent)

    def write(self, data: bytes) -> None:
        self.unsent += data
        self._send()
        if len(self.unsent) > backlog.HIGH_BYTES and not self._paused:
            self._paused = True
            assert self.backlog is not None
            self.fits = self.backlog.pause()

    def _send(self) -> None:
        self.sent += self.unsent[: self.room]
        taken = min(self.room, len(self.unsent))
        self.unsent = self.unsent[taken:]
        self.room -= taken

    def read(self, count: int) -> None:
        """The client reads so much more."""
        self.room += count
        self._send()
        if not self.unsent and self._paused:
            self._paused = False
            assert self.backlog is not None
            self.backlog.resume()


def make(policy: Policy, room: int = 0, max_bytes: int = 20) -> tuple[Client, Backlog, list[int]]:
    client = Client(room)
    dropped: list[int] = []
    client.backlog = Backlog(client, policy, max_bytes, dropped.append)  # type: ignore[arg-type]
    return client, client.backlog, dropped


@pytest.mark.parametrize("policy", [Policy.DROP_OLDEST, Policy.LATEST_ONLY])
def test_who_keeps_up_gets_everything_at_once(policy: Policy) -> None:
    client, queue, dropped = make(policy, room=1000)

    assert queue.write([b"aaaa"])
    assert queue.write([b"bbbb", b"cccc"])

    assert client.sent == b"aaaabbbbcccc"
    assert (queue.waiting_bytes, dropped) == (0, [])


def test_the_oldest_whole_messages_go_first_and_what_has_begun_to_leave_never() -> None:
    client, queue, dropped = make(Policy.DROP_OLDEST, room=2)

    for text in (b"0000", b"1111", b"2222", b"3333", b"4444", b"5555", b"6666"):
        assert queue.write([text])
    assert queue.waiting_bytes == 20
    assert sum(dropped) == 1
    client.read(1000)

    assert client.sent == b"0000" + b"2222" + b"3333" + b"4444" + b"5555" + b"6666"
    assert queue.waiting_bytes == 0


def test_only_the_newest_message_waits() -> None:
    client, queue, dropped = make(Policy.LATEST_ONLY, room=2)

    for text in (b"0000", b"1111", b"2222"):
        assert queue.write([text])
    assert queue.write([b"3333", b"4444"])
    assert queue.waiting_bytes == 4
    client.read(1000)

    assert client.sent == b"00004444"
    assert sum(dropped) == 3


def test_a_message_larger_than_the_bound_cannot_be_served() -> None:
    client, queue, _ = make(Policy.DROP_OLDEST)
    assert queue.write([b"a" * 10])
    assert client.fits
    assert not queue.write([b"b" * 21])
    # A close frame follows: what is beyond the bound is not written before it.
    queue.finish()
    assert queue.waiting_bytes == 0
    assert len(client.unsent) == 10

    client, queue, _ = make(Policy.LATEST_ONLY)
    queue.write([b"a" * 21])
    assert not client.fits


def test_the_end_gives_the_transport_whatever_waits() -> None:
    client, queue, dropped = make(Policy.DROP_OLDEST, room=1)
    for text in (b"00", b"11", b"22"):
        queue.write([text])

    queue.finish()
    client.read(100)

    assert client.sent == b"001122"
    assert dropped == []


def test_of_pings_while_nothing_leaves_only_the_last_is_answered() -> None:
    client, queue, _ = make(Policy.DROP_OLDEST, room=3)
    queue.pong(b"p0")
    queue.write([b"0000"])
    queue.pong(b"p1")
    queue.pong(b"p2")
    queue.write([b"1111"])
    client.read(100)

    assert client.sent == b"p00000p21111"


def test_a_long_backlog_leaves_in_pieces_so_that_its_end_stays_droppable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backlog, "PIECE_BYTES", 8)
    client, queue, dropped = make(Policy.DROP_OLDEST, room=1)
    for text in (b"0000", b"1111", b"2222", b"3333", b"4444"):
        queue.write([text])

    client.read(4)  # the rest of the first, and one byte of the next piece
    assert queue.waiting_bytes == 8
    client.read(100)

    assert client.sent == b"00001111222233334444"
    assert dropped == []


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
def test_the_kernel_is_told_to_take_little_where_it_can_be_told(family: socket.AddressFamily) -> None:
    with socket.socket(family) as sock:
        client = Client(sock=sock)
        Backlog(client, Policy.LATEST_ONLY, 10, lambda count: None)  # type: ignore[arg-type]
        if family == socket.AF_INET:
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == backlog.UNSENT_BYTES


def test_a_kernel_that_cannot_be_told_is_no_failure() -> None:
    class Stubborn:
        family = socket.AF_INET

        def setsockopt(self, *args: int) -> None:
            raise OSError("no such option")

    Backlog(Client(sock=Stubborn()), Policy.LATEST_ONLY, 10, lambda count: None)  # type: ignore[arg-type]


@given(
    st.sampled_from([Policy.DROP_OLDEST, Policy.LATEST_ONLY]),
    st.lists(st.one_of(st.integers(1, 12), st.integers(1, 12).map(lambda count: -count)), max_size=60),
)
def test_whatever_is_read_when_only_whole_messages_are_missing_and_none_changes_its_place(
    policy: Policy, steps: list[int]
) -> None:
    client, queue, dropped = make(policy)
    written = 0
    for step in steps:
        if step < 0:
            client.read(-step)
            continue
        # A message says its own number and length.
        assert queue.write([bytes([written % 256, step]) + b"." * step])
        written += 1
        assert queue.waiting_bytes <= 20
    client.read(10_000)

    heard, rest = [], client.sent
    while rest:
        number, length = rest[0], rest[1]
        assert rest[2 : 2 + length] == b"." * length
        heard.append(number)
        rest = rest[2 + length :]
    assert heard == sorted(set(heard))
    assert len(heard) + sum(dropped) == written
    if written:
        assert heard[-1] == written - 1

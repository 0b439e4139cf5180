"""The wire: commands out, answers to callbacks, in whatever pieces they come, whatever a callback does."""

from __future__ import annotations

import asyncio
from typing import Any

import hiredis
import pytest

from trunkline.protocol.redis_layer.packing import pack
from trunkline.protocol.redis_layer.wire import Answer, Wire


class FakeTransport(asyncio.Transport):
    """Remembers what is done to it."""

    def __init__(self, reading: bool = True) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.reading = reading
        self.aborted = False
        self.protocol: Any = None

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def is_reading(self) -> bool:
        return self.reading

    def resume_reading(self) -> None:
        self.reading = True

    def abort(self) -> None:
        self.aborted = True


class Case:
    """A wire over a fake transport."""

    def __init__(self, reading: bool = True) -> None:
        self.transport = FakeTransport(reading)
        self.lost = 0
        self.answers: list[Answer] = []
        self.wire = Wire(self.transport, self._on_lost)

    def _on_lost(self) -> None:
        self.lost += 1

    def call(self) -> None:
        self.wire.call(["PING"], self.answers.append)


@pytest.fixture
def case() -> Case:
    return Case()


def test_a_command_packed_before_goes_out_as_any_other(case: Case) -> None:
    command: list[str | bytes | int] = ["SET", b"k", 5]
    case.wire.call(command, case.answers.append)
    case.wire.send(pack(command), case.answers.append)

    first, second = case.transport.written
    assert first == second == b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n5\r\n"
    assert case.wire.oldest is not None


def test_answers_go_to_their_callbacks_in_order_however_they_are_cut(case: Case) -> None:
    for _ in range(3):
        case.call()

    for byte in b"+one\r\n*2\r\n:2\r\n$-1\r\n-ERR three\r\n":
        case.wire.data_received(bytes([byte]))

    assert case.answers[:2] == [b"one", [2, None]]
    assert isinstance(case.answers[2], hiredis.ReplyError)
    assert case.wire.oldest is None


def test_a_transport_paused_by_its_last_protocol_reads_again() -> None:
    case = Case(reading=False)

    assert case.transport.reading
    assert case.transport.protocol is case.wire


def test_bytes_that_nobody_asked_for_end_the_connection(case: Case) -> None:
    case.call()

    case.wire.data_received(b"+asked\r\n-ERR max number of clients reached\r\n")

    assert case.answers == [b"asked"]
    assert case.transport.aborted


def test_bytes_that_are_no_redis_protocol_end_the_connection(case: Case) -> None:
    case.call()

    case.wire.data_received(b"HTTP/1.1 400 Bad Request\r\n")

    assert case.answers == []
    assert case.transport.aborted


def test_a_callback_that_raises_costs_no_other_its_answer(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(answer: Answer) -> None:
        raise ZeroDivisionError("a fault of the caller")

    case.wire.call(["PING"], broken)
    case.call()

    case.wire.data_received(b"+1\r\n+2\r\n")

    assert case.answers == [b"2"]
    assert not case.transport.aborted
    assert "a fault of the caller" in caplog.text


def test_the_loss_is_told_once_and_callbacks_that_wait_are_dropped(case: Case) -> None:
    case.call()

    case.wire.close()
    assert case.transport.aborted
    assert case.lost == 0
    case.wire.connection_lost(None)

    assert (case.lost, case.answers, case.wire.oldest) == (1, [], None)

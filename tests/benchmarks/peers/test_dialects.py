"""What peers' frames look like, and that messages come back out of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.dialect import RUN, Dialect
from benchmarks.peers import PEERS, centrifugo_dialect, socketio_dialect
from benchmarks.speech import Speech

MESSAGES = st.text("0123456789abcdefghijklmnopqrstuvwxyz.", min_size=1, max_size=40).map(str.encode)
NAMES = sorted({route.dialect for peer in PEERS for route in peer.routes.values()})


@pytest.mark.parametrize("name", NAMES)
def test_the_dialect_of_every_route_is_there(name: str) -> None:
    assert isinstance(Speech(name).dialect, Dialect)


@given(MESSAGES)
def test_a_message_to_socket_io_is_an_event_and_comes_back_as_the_same(message: bytes) -> None:
    dialect = socketio_dialect.ECHO
    frame = dialect.encode(message)
    assert frame == b'42["m","' + message + b'"]'
    assert dialect.reply is not None and dialect.reply(message) == frame
    assert dialect.decode(frame) == (message,)


@pytest.mark.parametrize("noise", [b"2", b'40{"sid":"x"}', b'42["done"]', b'43["m","x"]', b'0{"sid":"x"}'])
def test_what_is_no_message_of_socket_io_is_noise(noise: bytes) -> None:
    assert list(socketio_dialect.ECHO.decode(noise)) == []


def test_a_ping_of_socket_io_is_answered_and_nothing_else() -> None:
    assert socketio_dialect.ECHO.answer(b"2") == b"3"
    assert socketio_dialect.ECHO.answer(b'42["m","2"]') is None


def test_a_room_of_socket_io_is_joined_last_and_waited_for() -> None:
    *_, last = socketio_dialect.ROOM.opening
    assert RUN in last.send
    assert last.until in b'42["done"]'


@given(MESSAGES)
def test_a_call_of_centrifugo_carries_the_message_and_so_does_its_reply(message: bytes) -> None:
    dialect = centrifugo_dialect.ECHO
    assert dialect.encode(message) == b'{"id":2,"rpc":{"method":"echo","data":"' + message + b'"}}'
    assert dialect.reply is not None
    assert list(dialect.decode(dialect.reply(message))) == [message]


@given(st.lists(MESSAGES, max_size=5))
def test_pushes_of_centrifugo_that_share_a_frame_are_told_apart(messages: list[bytes]) -> None:
    lines = [b'{"push":{"channel":"r1","pub":{"data":"%s"}}}' % message for message in messages]
    text = b"\n".join([b'{"id":2,"rpc":{}}', *lines, b"{}"])
    assert list(centrifugo_dialect.ROOM.decode(text)) == messages


def test_a_ping_of_centrifugo_is_answered_and_nothing_else() -> None:
    assert centrifugo_dialect.ECHO.answer(b"{}") == b"{}"
    assert centrifugo_dialect.ECHO.answer(b'{"id":2,"rpc":{}}') is None


def test_a_room_of_centrifugo_is_named_by_the_run() -> None:
    assert RUN in centrifugo_dialect.ROOM.opening[0].send

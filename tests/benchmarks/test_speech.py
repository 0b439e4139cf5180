"""Dialects as the generator uses them."""

from __future__ import annotations

import pytest

from benchmarks.speech import Speech
from benchmarks.wire import client_frame
from tests.benchmarks.sockets import plain, wrapped


def test_a_plain_message_is_its_frame() -> None:
    assert plain().frame(b"text") == client_frame(b"text")
    assert list(plain().decode(b"text")) == [b"text"]
    assert plain().pong(b"text") is None
    assert plain().opening("room") == []


def test_an_opening_names_the_room() -> None:
    assert wrapped().opening("b7") == [
        (b"", b"hello"),
        (client_frame(b"join b7"), b"joined"),
        (client_frame(b"ready"), b""),
    ]


def test_a_frame_may_hold_several_messages_or_a_question() -> None:
    speech = wrapped()
    assert list(speech.decode(b"<one>,<two>")) == [b"one", b"two"]
    assert list(speech.decode(b"ping")) == []
    assert speech.pong(b"ping") == client_frame(b"pong")


def test_what_is_no_dialect_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a Dialect"):
        Speech("benchmarks.dialect:same")

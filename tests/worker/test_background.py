from __future__ import annotations

import datetime
from typing import Any

import pytest

from trunkline.protocol.codec import decode_entry
from trunkline.protocol.errors import InvalidName, MessageError
from trunkline.protocol.names import ChannelName
from trunkline.worker.background import MAX_DELAY_S, delay_ms, encode_background

WORK = ChannelName("work")


def test_a_message_arrives_as_it_was_sent() -> None:
    content = {"task": "mail", "to": ["ada"], "n": 1, "raw": b"\x00", "reply_channel": "reply.i1!c1"}
    entry = decode_entry(WORK, encode_background(WORK, content, "c1:5/0"))
    assert entry.reply == "reply.i1!c1"
    assert (entry.path, entry.seq, entry.id) == (None, 0, "c1:5/0")
    assert entry.events == [{"task": "mail", "to": ["ada"], "n": 1, "raw": b"\x00"}]
    assert "reply_channel" in content


def test_an_empty_message_is_one() -> None:
    entry = decode_entry(WORK, encode_background(WORK, {}, "x"))
    assert (entry.reply, entry.events) == (None, [{}])


@pytest.mark.parametrize("name", ["websocket.connect", "websocket.receive", "http.request", "trunkline.trip"])
def test_the_channels_of_interface_servers_are_theirs(name: str) -> None:
    with pytest.raises(MessageError, match="only interface servers send on it"):
        encode_background(ChannelName(name), {"text": "forged"}, "x")


_nested: list[Any] = []
_nested.append(_nested)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("text", ["a str", "expected a dict"]),
        ({1: "x"}, ["the key 1", "expected str keys"]),
        ({"when": datetime.date(2026, 1, 1)}, ["['when'] is a date"]),
        ({"list": _nested}, ["['list']", "nested deeper"]),
        ({"n": 2**64}, ["['n']", "65 bits"]),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_place(content: object, words: list[str]) -> None:
    with pytest.raises(MessageError) as caught:
        encode_background(WORK, content, "x")
    for word in ["'work'", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize("reply", ["work", 3, ""])
def test_a_reply_channel_sent_along_is_one(reply: object) -> None:
    with pytest.raises(InvalidName):
        encode_background(WORK, {"reply_channel": reply}, "x")


def test_a_delay_is_seconds() -> None:
    assert [delay_ms(0), delay_ms(1.2345), delay_ms(MAX_DELAY_S)] == [0, 1234, MAX_DELAY_S * 1000]


@pytest.mark.parametrize("delay", [-1, float("nan"), float("inf"), MAX_DELAY_S + 1, "1", None])
def test_what_is_no_delay_is_refused(delay: Any) -> None:
    with pytest.raises(MessageError, match="delay_s"):
        delay_ms(delay)

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trunkline.protocol.errors import MessageError
from trunkline.worker.contents import (
    connect_payload,
    frame_payload,
    http_payload,
    reply_payload,
    verdict,
    without_verdicts,
)


@pytest.mark.parametrize(
    ("content", "payload"),
    [
        ({"text": "hello"}, "hello"),
        ({"text": ""}, ""),
        ({"text": "grüß"}, "grüß"),
        ({"text": "hello", "bytes": None, "close": None}, "hello"),
        ({"text": "hello", "close": False}, "hello"),
        ({"bytes": b"\x00"}, b"\x00"),
        ({"bytes": bytearray(b"ab")}, b"ab"),
        ({"bytes": memoryview(b"ab")}, b"ab"),
        ({"close": True}, {"close": True}),
        ({"close": 1000}, {"close": 1000}),
        ({"close": 4999, "reason": "bye"}, {"close": 4999, "reason": "bye"}),
        ({"text": "last", "close": True}, {"text": "last", "close": True}),
        ({"bytes": b"last", "close": 1013}, {"bytes": b"last", "close": 1013}),
    ],
)
def test_a_frame_becomes_its_payload(content: dict[str, Any], payload: object) -> None:
    assert frame_payload(content) == payload


def test_a_payload_is_a_copy_of_what_can_change() -> None:
    data = bytearray(b"ab")
    payload = frame_payload({"bytes": data})
    data[0] = 0
    assert payload == b"ab"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("hello", ["'hello'", "{'text': 'hello'}"]),
        (None, ["None", "expected a dict"]),
        ({}, ["says nothing"]),
        ({"close": False}, ["says nothing"]),
        ({"text": None}, ["says nothing"]),
        ({"txt": "hello"}, ["'txt'", "did you mean 'text'"]),
        ({"text": "hello", "zzz": 1}, ["'zzz'", "unknown", "text, bytes, close"]),
        ({1: "hello"}, ["key 1", "unknown"]),
        ({"accept": True}, ["'accept'", "connect handler"]),
        ({"content": b"x"}, ["'content'", "HTTP response"]),
        ({"text": "a", "bytes": b"b"}, ["both 'text' and 'bytes'"]),
        ({"text": "\ud800"}, ["'text'", "lone surrogate"]),
        ({"text": "hello", "reason": "because"}, ["'reason'", "'close'"]),
    ],
)
def test_a_frame_that_is_none_is_refused_by_key_value_and_expectation(
    content: object, words: list[str]
) -> None:
    with pytest.raises(MessageError) as caught:
        frame_payload(content)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("content", "payload"),
    [
        ({"text": "welcome"}, "welcome"),
        ({"close": 4000}, {"close": 4000}),
        ({"accept": True}, {"accept": True}),
        ({"accept": True, "close": False}, {"accept": True}),
        ({"accept": True, "text": "hi"}, {"accept": True, "text": "hi"}),
        ({"accept": True, "bytes": b"hi"}, {"accept": True, "bytes": b"hi"}),
        ({"accept": True, "text": "hi", "close": True}, {"accept": True, "text": "hi", "close": True}),
        (
            {"accept": True, "subprotocol": "chat.v2", "headers": [("Set-Cookie", b"a=b")]},
            {"accept": True, "subprotocol": "chat.v2", "headers": [["Set-Cookie", "a=b"]]},
        ),
        (
            {"accept": True, "outbound": "drop_oldest", "text": "hello"},
            {"accept": True, "outbound": "drop_oldest", "text": "hello"},
        ),
        ({"accept": False}, {"accept": False, "status": 403}),
        ({"accept": False, "status": 401}, {"accept": False, "status": 401}),
        ({"accept": False, "close": True}, {"accept": False, "status": 403, "close": True}),
    ],
)
def test_a_connect_handler_may_say_frames_and_a_verdict(content: object, payload: object) -> None:
    assert connect_payload(content) == payload


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ({"accept": 1}, "True or False"),
        ({"accept": False, "text": "x"}, "'text' goes only together with 'accept': True"),
        ({"accept": True, "outbound": "newest"}, "'close' or 'drop_oldest' or 'latest_only'"),
        ({"accept": True, "outbound": 5}, "'close' or 'drop_oldest' or 'latest_only'"),
        ({"accept": False, "outbound": "close"}, "'outbound' goes only together with 'accept': True"),
        ({"text": "a", "outbound": "close"}, "'outbound' goes only together with 'accept'"),
        ({"accept": False, "subprotocol": "x"}, "'subprotocol' goes only together with 'accept': True"),
        ({"accept": True, "status": 200}, "'status' goes only together with 'accept': False"),
        ({"text": "x", "headers": []}, "'headers' goes only together with 'accept'"),
        ({"accept": False, "status": 200}, "400 to 599"),
        ({"accept": True, "content": b""}, "HTTP response"),
        ({"acept": True}, "did you mean 'accept'"),
    ],
)
def test_what_a_connect_handler_may_not_say_is_refused(content: object, word: str) -> None:
    with pytest.raises(MessageError, match=word):
        connect_payload(content)


def test_an_http_response_is_made_of_status_headers_and_content() -> None:
    given = {"status": 200, "headers": [(b"X-A", "b")], "content": "grüß", "more_content": True}
    assert http_payload(given) == {
        "status": 200,
        "headers": [["X-A", "b"]],
        "content": "grüß".encode(),
        "more_content": True,
    }


def test_a_further_part_of_an_http_response_has_content_alone() -> None:
    assert http_payload({"content": bytearray(b"x")}) == {"content": b"x", "more_content": False}
    assert http_payload({"status": 204}) == {
        "status": 204,
        "headers": [],
        "content": b"",
        "more_content": False,
    }


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ({"status": "200"}, "'status' is '200' \\(str\\): expected an int from 200 to 599"),
        ({"status": True}, "'status'"),
        ({"status": 600}, "'status'"),
        ({"status": 103}, "from 200 to 599"),
        ({"status": 200, "content": 3}, "expected bytes or str"),
        ({"headers": []}, "'status', which the first part"),
        ({"status": 200, "more_content": 1}, "True or False"),
        ({"status": 200, "text": "x"}, "'text' belongs to a WebSocket message"),
        ({"status": 200, "content": "\ud800"}, "lone surrogate"),
    ],
)
def test_what_is_no_http_response_is_refused(content: object, word: str) -> None:
    with pytest.raises(MessageError, match=word):
        http_payload(content)


def test_a_reply_of_unknown_kind_is_told_by_its_keys() -> None:
    assert reply_payload({"text": "x"}) == "x"
    assert reply_payload({"content": b"x"}) == {"content": b"x", "more_content": False}
    with pytest.raises(MessageError, match="expected a dict"):
        reply_payload(["x"])


@pytest.mark.parametrize(
    ("said", "decided", "rest"),
    [
        ([], {"accept": True}, []),
        (["hi", b"x"], {"accept": True}, ["hi", b"x"]),
        ([{"close": True}], {"accept": False, "status": 403}, []),
        ([{"close": 4001}, "hi"], {"accept": False, "status": 403}, []),
        (["hi", {"close": True}], {"accept": True}, ["hi", {"close": True}]),
        ([{"text": "hi", "close": True}], {"accept": True}, [{"text": "hi", "close": True}]),
        (["hi", {"accept": False, "status": 401}], {"accept": False, "status": 401}, []),
        ([{"accept": True}, {"close": 1000}], {"accept": True}, [{"close": 1000}]),
        ([{"accept": True}, {"accept": False, "status": 403}], {"accept": True}, []),
        ([{"accept": True, "text": "hi"}], {"accept": True}, ["hi"]),
        ([{"accept": True, "bytes": b"hi"}], {"accept": True}, [b"hi"]),
        ([{"accept": True, "text": "a", "close": True}], {"accept": True}, [{"text": "a", "close": True}]),
        (
            [{"accept": True, "subprotocol": "v2", "headers": [["a", "b"]], "outbound": "latest_only"}, "x"],
            {"accept": True, "subprotocol": "v2", "headers": [["a", "b"]], "outbound": "latest_only"},
            ["x"],
        ),
    ],
)
def test_the_first_word_about_the_handshake_decides(said: Any, decided: object, rest: object) -> None:
    assert verdict(said) == (decided, rest)


def test_a_second_verdict_says_nothing_to_the_open_socket() -> None:
    assert without_verdicts([{"accept": False, "status": 403}, "x"]) == ["x"]


_values = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(max_size=5)
_keys = st.sampled_from(["text", "bytes", "close", "reason", "accept", "status", "content", "headers", "x"])


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first text takes a second on a busy machine
@given(st.dictionaries(_keys, _values))
def test_whatever_is_sent_becomes_a_payload_or_a_message_error(content: dict[str, Any]) -> None:
    for check in (frame_payload, connect_payload, http_payload, reply_payload):
        try:
            payload = check(content)
        except MessageError:
            continue
        assert type(payload) in (str, bytes, dict)
        assert payload is not content

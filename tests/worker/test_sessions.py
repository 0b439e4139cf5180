from __future__ import annotations

import inspect
from typing import Any

import pytest

from trunkline.protocol.codec import decode_session, encode_session
from trunkline.protocol.errors import CodecError, SessionError
from trunkline.worker.sessions import (
    HeldSession,
    channel_session,
    encoded,
    enforce_ordering,
    read_session,
    wants_session,
)


def test_the_decorator_marks_a_function_and_returns_it() -> None:
    def handler(message: Any, room: str) -> None: ...

    assert not wants_session(handler)
    assert channel_session(handler) is handler
    assert wants_session(handler)
    assert list(inspect.signature(handler).parameters) == ["message", "room"]


async def test_the_decorator_leaves_an_async_function_one() -> None:
    @channel_session
    async def handler(message: Any) -> str:
        return "ran"

    assert inspect.iscoroutinefunction(handler)
    assert wants_session(handler)
    assert await handler(None) == "ran"


def test_the_decorator_marks_methods_bound_or_not() -> None:
    class Handlers:
        @channel_session
        def one(self, message: Any) -> None: ...

        def two(self, message: Any) -> None: ...

    handlers = Handlers()
    channel_session(handlers.two)
    assert wants_session(handlers.one)
    assert wants_session(handlers.two)


def test_the_decorator_says_what_it_cannot_mark() -> None:
    with pytest.raises(TypeError, match="expected a function"):
        channel_session(len)


def test_enforce_ordering_does_nothing_in_both_its_forms() -> None:
    def handler(message: Any) -> None: ...

    assert enforce_ordering(handler) is handler
    assert enforce_ordering(slight=True)(handler) is handler


def test_a_session_is_a_dict_that_knows_whether_it_changed() -> None:
    raw = encode_session({"room": "a", "seen": [1]})
    session = read_session(raw)
    assert session == {"room": "a", "seen": [1]}
    assert not session.modified
    session["seen"].append(2)
    assert session.modified
    session["seen"].pop()
    assert not session.modified


def test_an_empty_session_is_no_bytes() -> None:
    session = read_session(b"")
    assert not session.modified
    session["a"] = 1
    assert session.modified
    del session["a"]
    assert encoded(session) == b""


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("when", object(), ["channel_session['when']", "object"]),
        (3, "x", ["key 3", "expected str keys"]),
        ("many", [0] * 70_000, ["channel_session['many']", "70000 items"]),
    ],
)
def test_a_session_that_cannot_be_stored_names_the_key(key: Any, value: Any, words: list[str]) -> None:
    session = read_session(b"")
    session[key] = value
    with pytest.raises(SessionError) as caught:
        encoded(session)
    for word in words:
        assert word in str(caught.value)


def test_a_session_nobody_touched_is_neither_decoded_nor_written() -> None:
    held = HeldSession(b"garbage", 100)
    held.keep()
    assert held.write() is None
    with pytest.raises(CodecError):
        _ = held.session


def test_a_session_read_and_not_changed_is_not_written() -> None:
    held = HeldSession(encode_session({"a": 1}), 100)
    assert held.session["a"] == 1
    assert held.session is held.session
    held.keep()
    assert held.write() is None


def test_a_changed_session_is_written_once_for_all_handlers_of_an_entry() -> None:
    held = HeldSession(b"", 100)
    held.session["a"] = 1
    held.keep()
    assert held.session == {"a": 1}
    held.session["b"] = 2
    held.keep()
    assert decode_session(held.write() or b"") == {"a": 1, "b": 2}


def test_a_raising_handler_leaves_the_session_as_it_found_it() -> None:
    held = HeldSession(b"", 100)
    held.session["a"] = 1
    held.keep()
    held.session["a"] = 2
    assert decode_session(held.raw) == {"a": 1}
    held.drop()
    assert held.session == {"a": 1}
    assert decode_session(held.write() or b"") == {"a": 1}


def test_a_cleared_session_is_deleted() -> None:
    held = HeldSession(encode_session({"a": 1}), 100)
    held.session.clear()
    held.keep()
    assert held.write() == b""


def test_a_session_over_its_bound_is_refused_and_nothing_of_it_kept() -> None:
    held = HeldSession(b"", 50)
    held.session["big"] = "x" * 60
    with pytest.raises(SessionError, match=r"under the keys 'big': expected at most 50.*--session-max-bytes"):
        held.keep()
    assert held.write() is None
    assert held.session == {}

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from trunkline.worker.handlers import describe, is_async, misfit, name_of
from trunkline.worker.sessions import channel_session


def plain(message: Any) -> None: ...


def with_room(message: Any, room: str) -> None: ...


def with_default(message: Any, room: str = "a") -> None: ...


def with_anything(message: Any, **kwargs: Any) -> None: ...


def with_stars(*args: Any, **kwargs: Any) -> None: ...


def with_keyword(message: Any, *, room: str) -> None: ...


def positional(message: Any, room: str, /) -> None: ...


def nothing() -> None: ...


def generator(message: Any) -> Iterator[int]:
    yield 1


async def async_generator(message: Any) -> AsyncIterator[int]:
    yield 1


async def asynchronous(message: Any) -> None: ...


class Callable_:
    def __call__(self, message: Any) -> None: ...


class AsyncCallable:
    async def __call__(self, message: Any) -> None: ...


@functools.wraps(with_room)
def wrapped(*args: Any, **kwargs: Any) -> None: ...


@pytest.mark.parametrize(
    ("call", "captured"),
    [
        (plain, []),
        (with_room, ["room"]),
        (with_default, []),
        (with_default, ["room"]),
        (with_anything, ["room", "user"]),
        (with_stars, ["room"]),
        (with_keyword, ["room"]),
        (asynchronous, []),
        (Callable_(), []),
        (functools.partial(with_room, room="a"), []),
        (wrapped, ["room"]),
        (dict.fromkeys, []),
        (print, []),
        (type, []),
    ],
)
def test_a_handler_that_fits_its_route_passes(call: Callable[..., Any], captured: list[str]) -> None:
    assert misfit(call, captured) is None


@pytest.mark.parametrize(
    ("call", "captured", "words"),
    [
        (plain, ["room", "user"], ["'room', 'user'", "its signature is (message: 'Any')"]),
        (with_room, [], ["needs 'room'", "captures nothing"]),
        (with_room, ["user"], ["does not take", "'user'"]),
        (with_keyword, [], ["needs 'room'", "captures nothing"]),
        (lambda message, room, **rest: None, ["user"], ["needs 'room'", "captures 'user'"]),
        (nothing, [], ["does not take the message as its first argument", "()"]),
        (lambda *, message: None, [], ["does not take the message"]),
        (plain, ["message"], ["'message'"]),
        (with_anything, ["message"], ["multiple values for argument 'message'"]),
        (positional, ["room"], ["'room'"]),
        (generator, [], ["is a generator"]),
        (async_generator, [], ["is a generator"]),
        (wrapped, [], ["needs 'room'"]),
    ],
)
def test_a_handler_that_does_not_fit_says_how(
    call: Callable[..., Any], captured: list[str], words: list[str]
) -> None:
    reason = misfit(call, captured)
    assert reason is not None
    for word in words:
        assert word in reason


def test_a_method_is_called_with_self_and_the_message() -> None:
    assert misfit(with_room, [], offset=2) is None
    assert "needs 'room'" in (misfit(lambda self, message, room: None, [], offset=2) or "")


def test_what_is_awaited_is_told_by_looking() -> None:
    assert [is_async(each) for each in (asynchronous, AsyncCallable(), functools.partial(asynchronous))] == [
        True
    ] * 3
    assert [is_async(each) for each in (plain, Callable_(), Callable_, functools.partial(plain))] == [
        False
    ] * 4


def test_a_handler_has_a_dotted_name() -> None:
    assert name_of(plain) == f"{__name__}.plain"
    assert name_of(functools.partial(plain)) == f"{__name__}.plain"
    assert name_of(Callable_()) == f"{__name__}.Callable_"


def test_a_mark_is_seen_through_partial_and_wraps() -> None:
    @channel_session
    def handler(message: Any, room: str) -> None: ...

    @functools.wraps(handler)
    def around(*args: Any, **kwargs: Any) -> None: ...

    assert describe(functools.partial(handler, room="a")).wants_session
    assert describe(around).wants_session
    assert not describe(plain).wants_session

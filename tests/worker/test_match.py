from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from trunkline.protocol.names import RECEIVE
from trunkline.worker.declarations import Place
from trunkline.worker.error_policy import DEAD
from trunkline.worker.match import Route, Step, as_text


def made(*steps: tuple[str, str, bool]) -> Route:
    compiled = tuple(Step(key, re.compile(pattern), cuts) for key, pattern, cuts in steps)
    return Route(RECEIVE, print, "builtins.print", False, False, DEAD, True, compiled, Place("x.py", 1))


@pytest.mark.parametrize(
    ("route", "content", "kwargs"),
    [
        (made(), {}, {}),
        (made(("path", r"^/chat/(?P<room>\w+)$", False)), {"path": "/chat/a"}, {"room": "a"}),
        (made(("path", r"^/chat/(?P<room>\w+)$", False)), {"path": "/chat/a b"}, None),
        (made(("path", r"/chat", False)), {"path": "/x/chat"}, None),
        (made(("path", r"^/chat", False)), {}, None),
        (made(("path", r"^/(?P<a>x)?", False)), {"path": "/"}, {"a": None}),
        (made(("path", r"^/chat", True), ("path", r"^/(?P<r>\w+)$", False)), {"path": "/chat/a"}, {"r": "a"}),
        (made(("path", r"^/chat", True), ("path", r"^/chat", False)), {"path": "/chat/a"}, None),
        (
            made(("path", r"^/(?P<x>\w+)", True), ("path", r"^/(?P<x>\w+)", False)),
            {"path": "/a/b"},
            {"x": "b"},
        ),
        (made(("path", r"^", True), ("text", r"(?P<w>hi)", False)), {"path": "/", "text": "hi"}, {"w": "hi"}),
    ],
)
def test_a_route_matches_with_what_it_captures(
    route: Route, content: Mapping[str, Any], kwargs: dict[str, Any] | None
) -> None:
    assert route.match(content) == kwargs


def test_a_filter_looks_at_text_bytes_and_numbers() -> None:
    assert [as_text(value) for value in ("a", b"\xc3\xa9\xff", 1006, 1.5)] == ["a", "é\ufffd", "1006", "1.5"]
    assert [as_text(value) for value in (None, True, ["a"], {"a": 1})] == [None] * 4


def test_the_path_alone_decides_only_if_there_is_no_other_filter() -> None:
    assert made().only_path
    assert made(("path", "a", True), ("path", "b", False)).only_path
    assert not made(("path", "a", True), ("text", "b", False)).only_path


def test_a_route_could_match_a_path_whatever_else_it_looks_at() -> None:
    route = made(("path", r"^/chat", False), ("text", r"^help", False))
    assert route.could_match_path("/chat/a")
    assert not route.could_match_path("/other")

"""Every mistake of a routing is reported at once, each with file, line and hint."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trunkline.protocol.errors import RoutingError
from trunkline.worker.error_policy import CLOSE, DEAD, ErrorPolicy, Retry
from trunkline.worker.generic.websockets import WebsocketConsumer
from trunkline.worker.routing import Routing, include, route, route_class

RETRY = Retry(3, 0.5)
Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module that can be imported, and forgets all of them at the end."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def write_module(name: str, text: str) -> Path:
        path = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        for parent in path.relative_to(tmp_path).parents[:-1]:
            (tmp_path / parent / "__init__.py").touch()
        path.write_text(text)
        importlib.invalidate_caches()
        return path

    yield write_module
    for name in set(sys.modules) - before:
        del sys.modules[name]


def mistakes(source: Any) -> list[str]:
    with pytest.raises(RoutingError) as caught:
        Routing.load(source)
    title, *lines = str(caught.value).splitlines()
    assert title.startswith(f"{len(lines)} mistake{'s' if len(lines) > 1 else ''} in the routing ")
    return lines


def handler(message: Any) -> None: ...


def room_handler(message: Any, room: str) -> None: ...


def test_a_module_is_loaded_with_its_handlers_and_includes(write: Write) -> None:
    write("site_.handlers", "def ws_add(message, room): ...\nasync def ws_echo(message, **kwargs): ...\n")
    write(
        "site_.chat",
        "from trunkline.worker.routing import route\n"
        "rooms = [route('websocket.receive', 'site_.handlers.ws_echo', path=r'^/x')]\n"
        "channel_routing = [route('websocket.connect', 'site_.handlers.ws_add', path=r'^/(?P<room>.+)')]\n",
    )
    write(
        "site_.routing",
        "from trunkline.worker.routing import include\n"
        "channel_routing = [include('site_.chat', path='^/chat'), include('site_.chat.rooms')]\n",
    )
    routing = Routing.load("site_.routing")
    match = routing.match("websocket.connect", {"path": "/chat/a"})
    assert match is not None
    assert (match.route.name, match.kwargs, match.route.is_async) == (
        "site_.handlers.ws_add",
        {"room": "a"},
        False,
    )
    match = routing.match("websocket.receive", {"path": "/x"})
    assert match is not None
    assert match.route.is_async
    assert Routing.load("site_.chat.rooms").channels == routing.channels


def test_all_mistakes_are_told_at_once_with_file_line_and_hint(write: Write) -> None:
    write("shop.handlers", "def ws_echo(message): ...\nNAME = 'x'\n")
    path = write(
        "shop.routing",
        "from trunkline.worker.routing import route, include\n"
        "channel_routing = [\n"
        "    route('websocket.receive', 'shop.handler.ws_echo'),\n"
        "    route('websocket.receive', 'shop.handlers.ws_ecko', path=r'^/b'),\n"
        "    route('websocket.receive', 'shop.handlers.NAME', path=r'^/c'),\n"
        "    route('websocket.receive', 'shop.handlers.ws_echo', path=r'^/(?P<room>\\w+)'),\n"
        "    route('websocket.receive', 'shop.handlers.ws_echo', path=r'^/d(', pth='x'),\n"
        "    route('websocket.recieve', 'shop.handlers.ws_echo'),\n"
        "    include('shop.nothing'),\n"
        "    'shop.handlers',\n"
        "]\n",
    )
    lines = mistakes("shop.routing")
    expected = [
        (3, "module 'shop' has no 'handler' (did you mean 'handlers'?)"),
        (4, "module 'shop.handlers' has no 'ws_ecko' (did you mean 'ws_echo'?)"),
        (5, "handler 'x' is a str and cannot be called (expected a function)"),
        (6, "does not take what the route captures, 'room'; its signature is (message)"),
        (
            7,
            "path='^/d(' is no regular expression: missing ), unterminated subpattern at position 3 (here: '(')",
        ),
        (7, "filter 'pth': no message of websocket.receive has this key (did you mean 'path'?)"),
        (
            8,
            "channel 'websocket.recieve': interface servers send no such messages (did you mean 'websocket.receive'?)",
        ),
        (9, "module 'shop' has no 'nothing'"),
    ]
    for line, (number, text) in zip(lines, expected, strict=False):
        assert line.startswith(f"{path}:{number}: ")
        assert text in line
    assert len(lines) == len(expected) + 1
    assert lines[-1] == (
        "shop.routing: item 7 of the routing is 'shop.handlers', a str "
        "(expected route(…), route_class(…) or include(…))"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "x = 1\n",
            ["bad.routing: module 'bad.routing' has no channel_routing", "channel_routing = [route(…), …]"],
        ),
        ("routes = []\n", ["has no channel_routing", "is it 'routes'?"]),
        (
            "channel_routing = {'websocket.receive': 'x'}\n",
            ["bad.routing.channel_routing is a dict", "a list of"],
        ),
        ("channel_routing = []\n", ["the routing has no routes"]),
        ("import bad.missing\n", ["ModuleNotFoundError", "raised at ", "routing.py:1"]),
        ("def f():\n    return 1 / 0\n\nf()\n", ["ZeroDivisionError: division by zero", "routing.py:2"]),
        ("channel_routing = [\n", ["SyntaxError", "routing.py, line 1"]),
        ("raise SystemExit(3)\n", ["SystemExit: 3", "routing.py:1"]),
    ],
)
def test_a_module_that_is_no_routing_says_why(write: Write, text: str, words: list[str]) -> None:
    write("bad.routing", text)
    [line] = mistakes("bad.routing")
    for word in words:
        assert word in line


def test_a_routing_that_does_not_exist_says_which_part(write: Write) -> None:
    write("shop.routing", "")
    assert "there is no module 'shopp' (did you mean 'shop'?)" in mistakes("shopp.routing")[0]
    assert (
        "type 'builtins.dict' has no 'fromkey' (did you mean 'fromkeys'?)"
        in mistakes("builtins.dict.fromkey")[0]
    )
    assert "module 'shop' has no 'routng' (did you mean 'routing'?)" in mistakes("shop.routng")[0]
    assert "and PYTHONPATH are searched: go to the folder" in mistakes("qqqzzzqqq.routing")[0]
    assert "is no dotted path" in mistakes("shop/routing.py")[0]


def test_what_is_no_routing_at_all_is_refused() -> None:
    assert "the list is a int" in mistakes(3)[0]
    assert mistakes([])[0].startswith("list: the routing has no routes")


def test_a_list_that_includes_itself_is_found() -> None:
    routes: list[Any] = [route("work", handler)]
    routes.append(include(routes, path="^/a"))
    assert "includes itself" in mistakes(routes)[0]


def test_a_duplicate_names_the_route_that_comes_first() -> None:
    first = route("websocket.receive", handler, path=r"^/a", text="x")
    lines = mistakes([first, route("websocket.receive", handler, text="x", path=r"^/a")])
    assert f"can never match: {first.place} has the same filters and comes first" in lines[0]
    Routing.load(
        [
            route("websocket.receive", handler, path=r"^/a"),
            route("websocket.receive", handler, path=r"^/b"),
            route("websocket.connect", handler, path=r"^/a"),
            include([route("websocket.receive", handler)], path=r"^/a"),
        ]
    )


def test_a_filter_with_a_mistake_is_not_blamed_for_what_follows_from_it() -> None:
    broken = r"^/(?P<room>\w+"
    lines = mistakes(
        [
            route("websocket.receive", room_handler, path=broken),
            route("websocket.receive", handler),
            include([route("websocket.connect", room_handler)], path=broken),
            route("websocket.connect", handler),
        ]
    )
    assert len(lines) == 2, lines
    assert all("is no regular expression" in line for line in lines)


@pytest.mark.parametrize(
    ("channel", "word"),
    [
        ("", "channel name ''"),
        (None, "channel name None"),
        ("a b", "channel name 'a b'"),
        ("trunkline.trip", "answered by the worker itself"),
        ("http.qqqqqq", "there are websocket.connect"),
    ],
)
def test_a_channel_that_cannot_be_is_refused(channel: Any, word: str) -> None:
    assert word in mistakes([route(channel, handler)])[0]


@pytest.mark.parametrize(
    ("pattern", "word"),
    [(3, "expected a regular expression as str, not int"), (re.compile(b"x"), "one for bytes")],
)
def test_a_filter_is_a_regular_expression(pattern: Any, word: str) -> None:
    assert word in mistakes([route("work", handler, kind=pattern)])[0]


def test_a_compiled_expression_is_a_filter_too() -> None:
    routing = Routing.load([route("work", room_handler, kind=re.compile("(?P<room>A)", re.IGNORECASE))])
    match = routing.match("work", {"kind": "a"})
    assert match is not None
    assert match.kwargs == {"room": "a"}


@pytest.mark.parametrize("key", ["headers", "client"])
def test_a_filter_cannot_look_at_a_list(key: str) -> None:
    filters: dict[str, Any] = {key: "x"}
    [line] = mistakes([route("websocket.connect", handler, **filters)])
    assert f"{key} is a list (look at it in the handler)" in line


def test_a_filter_no_message_has_lists_what_they_have() -> None:
    [line] = mistakes([route("websocket.disconnect", handler, qqq="x")])
    assert "there are path, order, reply_channel, code" in line


@pytest.mark.parametrize(
    ("given", "policy"),
    [("dead", DEAD), ("close", CLOSE), (RETRY, ErrorPolicy("dead", RETRY))],
)
def test_a_route_says_what_happens_when_its_handler_raises(given: Any, policy: ErrorPolicy) -> None:
    assert Routing.load([route("work", handler, on_error=given)]).routes[0].on_error == policy


@pytest.mark.parametrize("given", ["explode", 3, None])
def test_a_policy_that_is_none_is_refused(given: Any) -> None:
    [line] = mistakes([route("work", handler, on_error=given)])
    assert "expected 'dead', 'close' or Retry(times, backoff_s)" in line


def test_what_is_raised_is_no_policy() -> None:
    [line] = mistakes([route("work", handler, on_error=Retry(after_s=1))])
    assert "after_s is for 'raise Retry(after_s=…)' (give it backoff_s)" in line


def ordered(*routes: Any) -> dict[str, bool]:
    """Which channels keep order."""
    return {each.channel: each.ordered for each in Routing.load(routes).routes}


def test_messages_of_a_connection_keep_order_unless_their_route_says_otherwise() -> None:
    assert ordered(route("websocket.receive", handler)) == {"websocket.receive": True}
    assert ordered(route("websocket.receive", handler, ordered=False)) == {"websocket.receive": False}


def test_background_messages_have_no_order_to_keep() -> None:
    assert ordered(route("work", handler)) == {"work": False}
    assert ordered(route("work", handler, ordered=False)) == {"work": False}


@pytest.mark.parametrize(
    ("channel", "reason"),
    [
        ("websocket.connect", "the client waits for the verdict"),
        ("http.request", "the client waits for the answer"),
        ("websocket.disconnect", "nothing comes behind it"),
    ],
)
def test_where_somebody_waits_a_route_without_order_is_a_mistake(channel: str, reason: str) -> None:
    given = route(["websocket.receive", channel], handler, ordered=False)
    [line] = mistakes([given])
    assert line.startswith(f"{__file__}:{given.place.line}: ordered=False on {channel}: {reason}")


@pytest.mark.parametrize("given", [None, 0, "no"])
def test_an_order_that_is_neither_kept_nor_not_is_a_mistake(given: Any) -> None:
    [line] = mistakes([route("websocket.receive", handler, ordered=given)])
    assert f"ordered={given!r}: expected True or False" in line


def test_of_a_consumer_class_only_its_frames_are_without_order() -> None:
    assert ordered(route_class(Chat, ordered=False)) == {
        "websocket.connect": True,
        "websocket.receive": False,
        "websocket.disconnect": True,
    }


def test_a_missing_handler_is_told() -> None:
    assert "the handler is None" in mistakes([route("work", None)])[0]
    assert "is a int and cannot be called" in mistakes([route(["work", "other"], 3)])[0]


class Chat(WebsocketConsumer):
    def receive(self, text: str | None = None, bytes: bytes | None = None, **kwargs: Any) -> None: ...


class Broken(WebsocketConsumer):
    method_mapping = {"websocket.receive": "nothing", "bad name": "raw_receive"}  # noqa: RUF012


def test_a_consumer_class_has_a_route_for_each_of_its_channels() -> None:
    routing = Routing.load([route_class(Chat, path=r"^/(?P<room>\w+)$")])
    assert sorted(each.channel for each in routing.routes) == [
        "websocket.connect",
        "websocket.disconnect",
        "websocket.receive",
    ]
    assert routing.routes[0].name == f"{__name__}.Chat.raw_connect"
    assert Routing.load([route("websocket.receive", Chat)]).routes[0].channel == "websocket.receive"


def test_what_is_wrong_with_a_consumer_class_is_told() -> None:
    assert "is no consumer class" in mistakes([route_class(handler)])[0]
    assert "is no consumer class" in mistakes([route_class(dict)])[0]
    assert (
        f"there is no module 'qqqzzz' (the current directory, {os.getcwd()}, "
        in mistakes([route_class("qqqzzz.Chat")])[0]
    )


def test_a_module_of_the_standard_library_is_never_what_was_meant() -> None:
    assert "cmath" not in mistakes("chmath.routing")[0]
    assert "does not handle 'work' (its channels are: websocket.connect" in mistakes([route("work", Chat)])[0]
    lines = mistakes([route_class(Broken)])
    assert "method_mapping of Broken: channel name 'bad name'" in lines[0]
    assert "has no method 'nothing'" in lines[1]

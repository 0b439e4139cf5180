"""The table of routes against a reference: look at each route in turn."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trunkline.protocol.names import CONNECT, RECEIVE, SOCKET_CHANNELS, ReplyName
from trunkline.worker import channel_session
from trunkline.worker.declarations import Declaration, IncludeDeclaration
from trunkline.worker.match import Plan
from trunkline.worker.routing import MAX_CACHED_PATH_LENGTH, MAX_CACHED_PATHS, Routing, include, route


def handlers(count: int) -> list[Any]:
    """Handlers that differ and take everything."""

    def one() -> Any:
        def handler(message: Any, **kwargs: Any) -> None: ...

        return handler

    return [one() for _ in range(count)]


FIRST, SECOND, THIRD = handlers(3)


def found(routing: Routing, channel: str, content: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
    match = routing.match(channel, content)
    return None if match is None else (match.route.handler, match.kwargs)


def test_the_first_route_that_matches_wins() -> None:
    routing = Routing.load(
        [
            route("websocket.receive", FIRST, path=r"^/chat/(?P<room>\w+)$"),
            route("websocket.receive", SECOND, path=r"^/chat/"),
            route("websocket.connect", THIRD),
        ]
    )
    assert found(routing, RECEIVE, {"path": "/chat/a"}) == (FIRST, {"room": "a"})
    assert found(routing, RECEIVE, {"path": "/chat/a b"}) == (SECOND, {})
    assert found(routing, RECEIVE, {"path": "/"}) is None
    assert found(routing, CONNECT, {"path": "/"}) == (THIRD, {})
    assert found(routing, "unknown", {"path": "/"}) is None


def test_an_include_cuts_its_prefix_off_and_adds_its_groups() -> None:
    inner = [
        route("websocket.receive", FIRST, path=r"^/(?P<room>\w+)$"),
        include([route("websocket.receive", SECOND, path=r"^/deep$", text=r"^x")], path=r"^/(?P<more>\d+)"),
    ]
    routing = Routing.load([include(inner, path=r"^/(?P<area>[a-z]+)")])
    assert found(routing, RECEIVE, {"path": "/chat/a"}) == (FIRST, {"area": "chat", "room": "a"})
    assert found(routing, RECEIVE, {"path": "/chat/7/deep", "text": "x"}) == (
        SECOND,
        {"area": "chat", "more": "7"},
    )
    assert found(routing, RECEIVE, {"path": "/chat/7/deep", "text": "y"}) is None
    assert found(routing, RECEIVE, {"path": "/a"}) is None


def test_only_the_path_is_remembered() -> None:
    routing = Routing.load(
        [
            route("websocket.receive", FIRST, path=r"^/a", text=r"^help"),
            route("websocket.receive", SECOND, path=r"^/a"),
        ]
    )
    assert found(routing, RECEIVE, {"path": "/a", "text": "help"}) == (FIRST, {})
    assert found(routing, RECEIVE, {"path": "/a", "text": "hello"}) == (SECOND, {})
    assert found(routing, RECEIVE, {"path": "/a", "text": "help"}) == (FIRST, {})


def planned(routing: Routing, path: str | None, *events: str) -> Plan:
    return routing.plan(RECEIVE, [ReplyName("reply.i1!c1"), path, 1, list(events)])


def test_a_path_seen_before_gives_the_same_plan() -> None:
    routing = Routing.load([route("websocket.receive", FIRST, path=r"^/(?P<room>\w+)$")])
    assert planned(routing, "/a", "x") is planned(routing, "/a", "y")
    long = "/" + "a" * MAX_CACHED_PATH_LENGTH
    assert planned(routing, long, "x") is not planned(routing, long, "x")
    (match,) = planned(routing, long, "x").matches
    assert match is not None and (match.route.handler, match.kwargs) == (FIRST, {"room": long[1:]})


def test_events_of_one_connection_share_the_match_of_its_path() -> None:
    routing = Routing.load([route("websocket.receive", FIRST, path=r"^/(?P<room>\w+)$")])
    (match,) = planned(routing, "/a", "x").matches
    assert match is not None and planned(routing, "/a", "x", "y").matches == [match, match]
    assert (
        planned(routing, "/a/b", "x", "y").matches == planned(routing, None, "x", "y").matches == [None, None]
    )


def test_a_plan_says_what_any_of_its_handlers_needs() -> None:
    async def waits(message: Any) -> None: ...

    @channel_session
    def remembers(message: Any) -> None: ...

    texts = [(waits, "^w"), (remembers, "^r"), (FIRST, "^f")]
    routing = Routing.load([route("websocket.receive", handler, text=text) for handler, text in texts])
    plans = [planned(routing, "/", *events) for events in (("w", "r", "?"), ("f", "w"), ("r",), ("f",))]
    needs = [(plan.asynchronous, plan.wants_session) for plan in plans]
    assert needs == [(True, True), (True, False), (False, True), (False, False)]


def test_a_background_message_is_planned_by_what_it_holds_and_not_by_its_entry() -> None:
    routing = Routing.load([route("work", FIRST, path=r"^/a"), route("work", SECOND)])
    plan = routing.plan("work", [None, "/a", 0, [{"path": "/b"}, {"path": "/a"}]])
    assert [match and match.route.handler for match in plan.matches] == [SECOND, FIRST]


def test_a_match_is_called_with_the_message_alone() -> None:
    def handler(message: Any, **kwargs: Any) -> Any:
        return message, kwargs

    routing = Routing.load([route("websocket.receive", handler, path=r"^/(?P<room>\w+)?$")])
    for path, kwargs in (("/a", {"room": "a"}), ("/", {"room": None})):
        match = routing.match(RECEIVE, {"path": path})
        assert match is not None and match.call("m") == ("m", kwargs)


def test_what_is_remembered_is_bounded_and_right_beyond_its_bound() -> None:
    routing = Routing.load([route("websocket.receive", FIRST, path=r"^/(?P<room>\w+)$")])
    first = planned(routing, "/0", "x")
    for number in range(1, MAX_CACHED_PATHS + 1):
        planned(routing, f"/{number}", "x")
    again = planned(routing, "/0", "x")
    assert again is not first
    for plan in (first, again):
        assert plan.matches[0] is not None and plan.matches[0].kwargs == {"room": "0"}


@pytest.mark.parametrize("path", [None, ["/a"], 3])
def test_a_background_message_may_hold_anything_under_path(path: object) -> None:
    routing = Routing.load([route("work", FIRST, path=r"^/a"), route("work", SECOND)])
    assert found(routing, "work", {"path": path}) == (SECOND, {})
    assert found(routing, "work", {}) == (SECOND, {})


def test_a_path_that_some_socket_route_could_take_is_known() -> None:
    routing = Routing.load(
        [
            route("websocket.receive", FIRST, path=r"^/chat", text=r"^x"),
            route("http.request", SECOND, path=r"^/page"),
        ]
    )
    assert routing.could_match("/chat/a")
    assert not routing.could_match("/page")
    assert Routing.load([route("websocket.disconnect", FIRST)]).could_match("/any")


def test_a_socket_route_brings_all_socket_channels() -> None:
    assert Routing.load([route("websocket.receive", FIRST), route("work", SECOND)]).channels == {
        *SOCKET_CHANNELS,
        "work",
    }
    assert Routing.load([route("work", FIRST)]).channels == {"work"}


def test_one_route_may_name_several_channels() -> None:
    routing = Routing.load([route(["work", "other"], FIRST)])
    assert found(routing, "work", {}) == found(routing, "other", {}) == (FIRST, {})


# ---- the reference ----

_HANDLERS = handlers(40)
_patterns = st.sampled_from(
    [r"^/a", r"^/(?P<x>\w)", r"^/(?P<y>\w)/", r"/b$", r"(?P<x>.)(?P<z>.)?", r"^$", r"^/a/(?P<x>b)?$", r""]
)
_filters = st.dictionaries(st.sampled_from(["path", "text", "order"]), _patterns, max_size=2)
_channels = st.sampled_from(["work", "other"])
_plain = st.tuples(st.just("route"), _channels, _filters)
_tree = st.recursive(
    st.lists(_plain, max_size=4),
    lambda inner: st.lists(_plain | st.tuples(st.just("include"), _filters, inner), max_size=4),
    max_leaves=8,
)
_contents = st.fixed_dictionaries(
    {},
    optional={
        "path": st.text("/ab", max_size=4),
        "text": st.text("/ab", max_size=3),
        "order": st.integers(0, 9),
    },
)


def declare(
    tree: list[Any], handlers: list[Any], seen: set[Any], outer: tuple[Any, ...] = ()
) -> list[Declaration]:
    """Declarations of a tree, without duplicates, which would be a mistake."""
    made: list[Declaration] = []
    for item in tree:
        if item[0] == "include":
            made.append(
                include(declare(item[2], handlers, seen, (*outer, *by_key(item[1], True))), **item[1])
            )
            continue
        key = (item[1], tuple(sorted((*outer, *by_key(item[2], False)), key=lambda step: step[0])))
        if key not in seen:
            seen.add(key)
            made.append(route(item[1], handlers.pop(), **item[2]))
    return made


def by_key(filters: dict[str, str], cuts: bool) -> list[tuple[str, str, bool]]:
    return [(key, pattern, cuts) for key, pattern in filters.items()]


def reference(declarations: list[Declaration], channel: str, content: dict[str, Any]) -> Any:
    """What Channels 1.x documents: walk the list, descend into includes with what is left."""
    for each in declarations:
        kwargs: dict[str, Any] = {}
        rest = dict(content)
        matched = True
        for key, pattern in each.filters.items():
            result = re.match(pattern, str(rest[key])) if key in rest else None
            if result is None:
                matched = False
                break
            kwargs |= result.groupdict()
            if isinstance(each, IncludeDeclaration):
                rest[key] = str(rest[key])[result.end() :]
        if not matched:
            continue
        if isinstance(each, IncludeDeclaration):
            inner = reference(each.routes, channel, rest)
            if inner is not None:
                return inner[0], kwargs | inner[1]
        elif getattr(each, "channels", None) == channel:
            return each.handler, kwargs  # type: ignore[union-attr]
    return None


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(_tree, st.lists(st.tuples(_channels, _contents), max_size=8))
def test_the_table_finds_what_looking_at_each_route_in_turn_finds(
    tree: list[Any], messages: list[tuple[str, dict[str, Any]]]
) -> None:
    declarations = [route("work", FIRST, never=r"^never$"), *declare(tree, list(_HANDLERS), set())]
    routing = Routing.load(declarations)
    for channel, content in messages:
        assert found(routing, channel, content) == reference(declarations, channel, content)

"""Consumer classes, also their base: what their methods do comes out of the outbox."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.jobs import job_of
from trunkline.protocol.codec import decode_mailbox
from trunkline.protocol.errors import MessageError, RoutingError
from trunkline.protocol.messages import Entry, GroupAdd, GroupSend, Post
from trunkline.protocol.names import CONNECT, DISCONNECT, RECEIVE, ChannelName, ReplyName
from trunkline.worker import Retry, channel_session
from trunkline.worker.declarations import ClassDeclaration
from trunkline.worker.error_policy import DEAD, ErrorPolicy
from trunkline.worker.generic.websockets import BaseConsumer, JsonWebsocketConsumer, WebsocketConsumer
from trunkline.worker.message import Message
from trunkline.worker.outbox import CURRENT, Outbox
from trunkline.worker.routing import Routing, route_class

OWN = ReplyName("reply.i1!c1")
EVENTS: dict[str, Any] = {CONNECT: {"scheme": "ws"}, DISCONNECT: {"code": 1000}}
Run = Callable[..., list[list[Any]]]


def made(channel: ChannelName, event: Any, path: str) -> tuple[Message, Outbox]:
    entry = Entry(channel, OWN, path, 0 if channel == CONNECT else 1, [event])
    message = job_of(entry).begin(0)
    return message, Outbox(OWN, entry.seq, channel)


@pytest.fixture
def run() -> Iterator[Run]:
    """Routes one event to a class and gives the mailbox operations of what it did."""
    before = CURRENT.set(Outbox(OWN, 1))

    def run_event(
        consumer: Any, channel: ChannelName, event: Any = None, path: str = "/chat/a"
    ) -> list[list[Any]]:
        routing = Routing.load([route_class(consumer, path=r"^/chat/(?P<room>\w+)$")])
        message, outbox = made(channel, event if event is not None else EVENTS[channel], path)
        CURRENT.set(outbox)
        match = routing.match(channel, message.content)
        assert match is not None
        result = match.route.handler(message, **match.kwargs)
        assert match.route.is_async is inspect.iscoroutine(result)
        if inspect.iscoroutine(result):
            with pytest.raises(StopIteration):
                result.send(None)
        effects = outbox.release_connect("/") if channel == CONNECT else outbox.release()
        return [
            each
            for item in effects
            if isinstance(item, Post | GroupAdd | GroupSend)
            for each in decode_mailbox(b"\x01" + item.chunk)
        ]

    yield run_event
    CURRENT.reset(before)


class Chat(WebsocketConsumer):
    def connection_groups(self, **kwargs: Any) -> list[str]:
        return [f"chat-{kwargs['room']}"]

    def receive(self, text: str | None = None, bytes: bytes | None = None, **kwargs: Any) -> None:
        self.group_send(f"chat-{self.kwargs['room']}", text=text, bytes=bytes)


class AsyncChat(WebsocketConsumer):
    groups = ("all",)

    async def connect(self, message: Message, **kwargs: Any) -> None:
        self.close()

    async def receive(self, text: str | None = None, bytes: bytes | None = None, **kwargs: Any) -> None:
        self.send(text, bytes, close=4000)


class Json(JsonWebsocketConsumer):
    def receive(self, content: Any, **kwargs: Any) -> None:
        self.send({"got": content}, close=True)
        self.group_send("all", content)


def test_a_consumer_accepts_joins_and_leaves(run: Run) -> None:
    assert run(Chat, CONNECT) == [[4, "chat-a", "c1"], [1, "c1", 0, [{"accept": True}]]]
    assert run(Chat, RECEIVE, "hello") == [[3, "chat-a", "hello"], [1, "c1", 1, []]]
    assert run(Chat, RECEIVE, b"\x00") == [[3, "chat-a", b"\x00"], [1, "c1", 1, []]]
    assert run(Chat, DISCONNECT) == [[5, "chat-a", "c1"], [1, "c1", 1, []]]


def test_a_consumer_may_have_async_methods(run: Run) -> None:
    assert run(AsyncChat, CONNECT)[-1] == [1, "c1", 0, [{"accept": False, "status": 403}]]
    assert run(AsyncChat, RECEIVE, "x") == [[1, "c1", 1, [{"text": "x", "close": 4000}]]]
    assert run(AsyncChat, DISCONNECT) == [[5, "all", "c1"], [1, "c1", 1, []]]


def test_a_json_consumer_decodes_and_encodes(run: Run) -> None:
    assert run(Json, RECEIVE, '{"a": 1}') == [
        [2, "c1", 1, {"text": '{"got": {"a": 1}}', "close": True}],
        [3, "all", '{"a": 1}'],
        [1, "c1", 1, []],
    ]
    with pytest.raises(ValueError, match="expected text"):
        run(Json, RECEIVE, b"\x00")


def test_consumers_that_override_nothing_do_nothing(run: Run) -> None:
    for consumer in (WebsocketConsumer, JsonWebsocketConsumer):
        assert run(consumer, RECEIVE, "1") == [[1, "c1", 1, []]]
        assert run(consumer, DISCONNECT) == [[1, "c1", 1, []]]


def test_an_empty_send_is_refused() -> None:
    consumer = WebsocketConsumer(made(RECEIVE, "x", "/")[0])
    with pytest.raises(MessageError, match="neither text nor bytes"):
        consumer.send()


def test_a_consumer_without_a_connection_says_so() -> None:
    entry = Entry(ChannelName("work"), None, None, 0, [{}])
    message = job_of(entry).begin(0)
    with pytest.raises(MessageError, match="no reply channel"):
        WebsocketConsumer(message).send("x")


class Misfit(WebsocketConsumer):
    def connect(self, message: Message) -> None: ...

    def receive(self, data: str) -> None: ...


class JsonMisfit(JsonWebsocketConsumer):
    def receive(self, room: str) -> None: ...


def test_a_method_that_cannot_take_what_the_route_captures_is_found_at_start() -> None:
    with pytest.raises(RoutingError) as caught:
        Routing.load([route_class(Misfit, path=r"^/(?P<room>\w+)")])
    lines = str(caught.value).splitlines()[1:]
    assert "(Misfit.connect) does not take what the route captures, 'room'" in lines[0]
    assert "(Misfit.receive) does not take what the route captures, 'room', 'text'" in lines[1]
    with pytest.raises(RoutingError, match=r"JsonMisfit\.receive"):
        Routing.load([route_class(JsonMisfit, path=r"^/(?P<room>\w+)")])


class WithSession(WebsocketConsumer):
    channel_session = True


class MarkedMethod(WebsocketConsumer):
    @channel_session
    def connect(self, message: Message, **kwargs: Any) -> None: ...


def test_a_consumer_asks_for_sessions_by_attribute_or_by_method() -> None:
    def wanting(consumer: Any) -> list[str]:
        return [each.channel for each in Routing.load([route_class(consumer)]).routes if each.wants_session]

    assert wanting(WithSession) == ["websocket.connect", "websocket.disconnect", "websocket.receive"]
    assert wanting(MarkedMethod) == ["websocket.connect"]


class Work(BaseConsumer):
    method_mapping = {"work": "do"}  # noqa: RUF012
    greeting = "hello"

    def do(self, message: Message) -> str:
        return self.greeting


def test_a_consumer_makes_its_own_route_with_attributes_and_filters() -> None:
    declaration = Work.as_route(greeting="bye", kind="x")
    assert declaration.place.file == __file__
    assert declaration.filters == {"kind": "x"}
    [route] = Routing.load(
        [
            declaration,
        ]
    ).routes
    entry = Entry(ChannelName("work"), None, None, 0, [{}])
    message = job_of(entry).begin(0)
    assert route.handler(message) == "bye"
    assert route.name == f"{__name__}.Work.do"
    [plain] = Routing.load([Work.as_route()]).routes
    assert plain.handler(message) == "hello"


class Feed(WebsocketConsumer):
    pass


def test_a_route_that_a_consumer_makes_says_what_happens_when_it_raises_and_whether_order_is_kept() -> None:
    retry = Retry(2, 0.5)
    given = Feed.as_route(on_error=retry, ordered=False, groups=["all"], path="^/feed/")
    assert (given.place.file, given.filters) == (__file__, {"path": "^/feed/"})
    assert issubclass(given.consumer, Feed) and given.consumer.groups == ["all"]

    routes = Routing.load([given]).routes
    assert {each.on_error for each in routes} == {ErrorPolicy("dead", retry)}
    assert {each.channel: each.ordered for each in routes} == {
        CONNECT: True,
        RECEIVE: False,
        DISCONNECT: True,
    }


def test_a_route_that_a_consumer_makes_is_as_any_other_without_these() -> None:
    routes = Routing.load([Feed.as_route()]).routes
    assert {(each.on_error, each.ordered) for each in routes} == {(DEAD, True)}


@pytest.mark.parametrize(
    "wrong", [{"on_error": "explode"}, {"on_error": Retry(after_s=1)}, {"ordered": "no"}]
)
def test_a_mistake_in_them_is_told_as_for_any_other_route(wrong: dict[str, Any]) -> None:
    def told(given: ClassDeclaration) -> str:
        with pytest.raises(RoutingError) as caught:
            Routing.load([given])
        return str(caught.value).replace(str(given.place), "here")

    assert told(Feed.as_route(**wrong)) == told(route_class(Feed, **wrong))

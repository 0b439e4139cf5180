"""A job on its way through its handlers, without anybody who runs them."""

from __future__ import annotations

import pytest

from tests.support.fake_worker_layer import (
    WORKER,
    background,
    connect,
    delivery,
    disconnect,
    frames,
    letters,
    payloads,
    request,
    written,
)
from trunkline.protocol.codec import decode_entry
from trunkline.protocol.errors import CodecError, ConsumerFinished, DenyConnection, InvalidName, SessionError
from trunkline.protocol.messages import (
    LAST_SEQ,
    Delivery,
    Effect,
    Entry,
    Outcome,
    Register,
    SessionWrite,
    Unregister,
)
from trunkline.protocol.names import CONNECT, RECEIVE, REQUEST, ChannelName, ReplyName
from trunkline.worker import Message, channel_session, route
from trunkline.worker.declarations import Routes
from trunkline.worker.job import Job
from trunkline.worker.outbox import Outbox
from trunkline.worker.routing import Routing, retry
from trunkline.worker.sessions import HeldSession


class Flushed:
    """Takes what a job wants sent before its end."""

    def __init__(self) -> None:
        self.now: list[tuple[Delivery, list[Effect]]] = []
        self.soon: list[Delivery] = []

    async def flush(self, delivery: Delivery, effects: list[Effect]) -> None:
        self.now.append((delivery, effects))

    def flush_soon(self, delivery: Delivery, outbox: Outbox) -> None:
        self.soon.append(delivery)


def handler(message: Message) -> None: ...


async def waiting(message: Message) -> None: ...


@channel_session
def with_session(message: Message) -> None: ...


def job(given: Delivery, routes: Routes, flusher: Flushed | None = None) -> Job:
    entry = decode_entry(given.channel, given.body)
    return Job(given, entry, Routing.load(routes) if routes else Routing([]), flusher or Flushed())


def effects(outcome: Outcome) -> list[Effect]:
    return outcome.effects


# ---- what it is ----


def test_it_knows_whether_a_handler_must_be_awaited() -> None:
    assert not job(frames("x"), [route(RECEIVE, handler)]).asynchronous
    assert job(frames("x"), [route(RECEIVE, waiting)]).asynchronous
    mixed = [route(RECEIVE, waiting, text="^b"), route(RECEIVE, handler)]
    assert job(frames("a", "b"), mixed).asynchronous


def test_it_asks_for_a_session_only_if_a_handler_does() -> None:
    assert job(frames("x", connection="c7"), [route(RECEIVE, with_session)]).session_of == "c7"
    assert job(frames("x"), [route(RECEIVE, handler)]).session_of is None
    assert job(background("work", {"a": 1}), [route("work", with_session)]).session_of is None


def test_it_says_what_it_is_for_log_lines() -> None:
    assert str(job(frames("x"), [route(RECEIVE, handler)])).startswith("channel=websocket.receive route=")
    assert str(job(frames("x"), [route(RECEIVE, handler)])).endswith("handler connection=c1")
    assert str(job(background("work", {}), [])) == "channel=work route=- connection=-"


@pytest.mark.parametrize(
    "entry",
    [
        Entry(CONNECT, None, "/", 0, [{}]),
        Entry(RECEIVE, None, "/", 1, ["x"]),
        Entry(ChannelName("websocket.disconnect"), None, "/", 1, [{}]),
        Entry(REQUEST, None, "/", 0, [{}]),
        Entry(RECEIVE, ReplyName("reply.i1!c1"), "/", LAST_SEQ + 1, ["x"]),
        Entry(ChannelName("work"), None, None, LAST_SEQ + 1, [{}]),
    ],
)
def test_an_entry_that_no_interface_server_writes_is_garbage(entry: Entry) -> None:
    with pytest.raises(CodecError, match="a reply channel and a seq"):
        job(delivery(entry), [])


@pytest.mark.parametrize("channel", [RECEIVE, "work"])
def test_a_reply_channel_that_is_none_is_refused_on_every_channel(channel: str) -> None:
    event = "x" if channel == RECEIVE else {"a": 1}
    entry = Entry(ChannelName(channel), ReplyName("nonsense"), None, 0, [event])
    with pytest.raises(InvalidName):
        job(delivery(entry), [route("work", with_session)])


# ---- its steps ----


def test_a_message_has_its_own_event_and_number() -> None:
    given = job(frames("a", "b", seq=4), [route(RECEIVE, handler)])
    first, second = given.begin(0), given.begin(1)
    assert (first["text"], second["text"]) == ("a", "b")
    assert (first.id, second.id) == ("c1:4", "c1:5")


def test_only_who_asked_for_the_session_gets_it() -> None:
    given = job(frames("a", "b"), [route(RECEIVE, with_session, text="^a"), route(RECEIVE, handler)])
    given.held = HeldSession(b"", 1000)
    assert given.begin(0).channel_session == {}
    with pytest.raises(AttributeError, match="no channel_session"):
        _ = given.begin(1).channel_session


def test_a_step_is_tried_as_often_as_its_route_says_with_growing_pauses() -> None:
    given = job(frames("a"), [route(RECEIVE, handler, on_error=retry(3, 0.5))])
    given.begin(0)
    pauses = []
    while given.retry():
        pauses.append(given.pause_s)
        given.begin(0)
    assert pauses == [0.5, 1.0, 2.0]


def test_each_step_has_tries_of_its_own() -> None:
    given = job(frames("a", "b"), [route(RECEIVE, handler, on_error=retry(1, 0))])
    given.begin(0)
    assert given.retry()
    given.begin(0)
    given.begin(1)
    assert given.retry()
    assert not given.retry()


def test_without_a_policy_nothing_is_tried_again() -> None:
    given = job(frames("a"), [route(RECEIVE, handler)])
    given.begin(0)
    assert not given.retry()
    assert job(frames("a"), []).retry() is False
    assert job(frames("a"), []).pause_s == 0.0


def test_a_second_try_sees_the_message_as_the_first_one_did() -> None:
    given = job(frames("a"), [route(RECEIVE, handler, on_error=retry(1, 0))])
    message = given.begin(0)
    message["text"] = "changed"
    assert given.retry()
    assert given.begin(0)["text"] == "a"


def test_a_retry_drops_what_the_try_did() -> None:
    given = job(frames("a"), [route(RECEIVE, handler, on_error=retry(1, 0))])
    given.begin(0)
    given.outbox.send_reply("reply.i1!c1", {"text": "half"})
    assert given.retry()
    assert payloads(effects(given.finish())) == []


# ---- how it ends ----


def test_an_accepted_connect_is_registered_and_released_with_its_verdict() -> None:
    given = job(connect(), [route(CONNECT, handler)])
    given.begin(0)
    given.succeed()
    found = effects(given.finish())
    assert isinstance(found[0], Register)
    assert payloads(found) == [{"accept": True}]


def test_a_connect_without_a_route_is_accepted_where_another_route_could_match() -> None:
    routes = [route(RECEIVE, handler, path="^/chat")]
    given = job(connect(path="/chat"), routes)
    given.begin(0)
    assert not given.unrouted(WORKER)
    assert payloads(effects(given.finish())) == [{"accept": True}]


def test_a_connect_that_no_route_could_ever_match_is_refused_with_404() -> None:
    given = job(connect(path="/elsewhere"), [route(RECEIVE, handler, path="^/chat")])
    given.begin(0)
    given.unrouted(WORKER)
    assert payloads(effects(given.finish())) == [{"accept": False, "status": 404}]


def test_a_connect_without_a_path_is_refused_with_404() -> None:
    given = job(delivery(Entry(CONNECT, ReplyName("reply.i1!c1"), None, 0, [{}])), [route(RECEIVE, handler)])
    given.begin(0)
    given.unrouted(WORKER)
    assert payloads(effects(given.finish())) == [{"accept": False, "status": 404}]


def test_an_unrouted_request_is_answered_with_404() -> None:
    given = job(request(), [])
    given.begin(0)
    given.unrouted(WORKER)
    (answer,) = payloads(effects(given.finish()))
    assert (answer["status"], answer["headers"]) == (404, [["content-type", "text/plain; charset=utf-8"]])


def test_an_unrouted_frame_is_let_go() -> None:
    given = job(frames("x"), [])
    given.begin(0)
    assert not given.unrouted(WORKER)
    found = effects(given.finish())
    assert (payloads(found), letters(found)) == ([], [])


def test_an_unrouted_background_message_is_kept_as_a_dead_letter() -> None:
    given = job(background("work", {"kind": "b"}), [route("work", handler, kind="^a$")])
    given.begin(0)
    assert given.unrouted(WORKER)
    (found,) = letters(effects(given.finish()))
    assert found.reason == "unrouted"
    assert "no route of channel 'work'" in found.error


def test_who_denies_a_connection_names_the_status() -> None:
    given = job(connect(), [route(CONNECT, handler)])
    given.begin(0)
    assert given.end_by(DenyConnection(451)) == "refused"
    assert payloads(effects(given.finish())) == [{"accept": False, "status": 451}]


def test_denying_is_for_connect_handlers_only() -> None:
    given = job(frames("x"), [route(RECEIVE, handler)])
    given.begin(0)
    assert given.end_by(DenyConnection()) is None


def test_who_finishes_early_keeps_what_was_done() -> None:
    given = job(frames("x"), [route(RECEIVE, handler)])
    given.begin(0)
    given.outbox.send_reply("reply.i1!c1", {"text": "kept"})
    assert given.end_by(ConsumerFinished()) == "ok"
    assert payloads(effects(given.finish())) == ["kept"]


def test_anything_else_raised_is_a_failure() -> None:
    assert job(frames("x"), []).end_by(ValueError()) is None


@pytest.mark.parametrize(
    ("given", "channel", "answer"),
    [
        (connect(), CONNECT, {"accept": False, "status": 500}),
        (request(), REQUEST, 500),
        (frames("x"), RECEIVE, None),
    ],
)
def test_a_failure_is_answered_as_its_channel_wants(given: Delivery, channel: str, answer: object) -> None:
    failed = job(given, [route(channel, handler)])
    failed.begin(0)
    failed.fail(ValueError("no"), WORKER, "error")
    found = effects(failed.finish())
    told = [each["status"] if channel == REQUEST else each for each in payloads(found)]
    assert told == ([] if answer is None else [answer])
    assert [each.reason for each in letters(found)] == ["error"]


def test_a_failure_closes_the_connection_if_its_route_says_so() -> None:
    failed = job(frames("x"), [route(RECEIVE, handler, on_error="close")])
    failed.begin(0)
    failed.fail(ValueError(), WORKER, "error")
    assert payloads(effects(failed.finish())) == [{"close": 1011}]


def test_a_failing_connect_handler_refuses_whatever_its_route_says() -> None:
    failed = job(connect(), [route(CONNECT, handler, on_error="close")])
    failed.begin(0)
    failed.fail(ValueError(), WORKER, "error")
    assert payloads(effects(failed.finish())) == [{"accept": False, "status": 500}]


def test_condemned_every_event_becomes_a_letter() -> None:
    given = job(frames("a", "b"), [route(RECEIVE, handler)])
    given.condemn(WORKER, "poison", ValueError())
    found = letters(effects(given.finish()))
    assert [decode_entry(RECEIVE, each.body).events for each in found] == [["a"], ["b"]]


def test_a_condemned_background_message_answers_nobody() -> None:
    given = job(background("work", {}), [route("work", handler)])
    given.condemn(WORKER, "poison", ValueError())
    assert len(effects(given.finish())) == 1


def test_the_end_of_a_connection_forgets_it() -> None:
    given = job(disconnect(), [route("websocket.disconnect", handler)])
    given.begin(0)
    assert isinstance(effects(given.finish())[-1], Unregister)


# ---- its session ----


def test_a_changed_session_is_written_before_the_release() -> None:
    given = job(frames("x"), [route(RECEIVE, with_session)])
    given.held = HeldSession(b"", 1000)
    given.begin(0).channel_session["a"] = 1
    given.succeed()
    found = effects(given.finish())
    assert given.wrote_session
    assert isinstance(found[0], SessionWrite)
    assert len(found) == 2


def test_an_unchanged_session_is_not_written() -> None:
    given = job(frames("x"), [route(RECEIVE, with_session)])
    given.held = HeldSession(b"", 1000)
    given.begin(0).channel_session.get("a")
    given.succeed()
    assert written(effects(given.finish())) == []
    assert not given.wrote_session


def test_the_session_of_a_background_message_is_that_of_the_connection_it_names() -> None:
    entry = Entry(ChannelName("work"), ReplyName("reply.i1!c5"), None, 0, [{"a": 1}])
    given = job(delivery(entry), [route("work", with_session)])
    given.held = HeldSession(b"", 1000)
    given.begin(0).channel_session["a"] = 1
    given.succeed()
    (found,) = (each for each in effects(given.finish()) if isinstance(each, SessionWrite))
    assert (found.interface, found.connection) == ("i1", "c5")


def test_a_session_that_grew_too_large_is_told_and_what_it_was_stays() -> None:
    given = job(frames("x"), [route(RECEIVE, with_session)])
    given.held = HeldSession(b"", 16)
    given.begin(0).channel_session["a"] = "x" * 100
    with pytest.raises(SessionError, match="expected at most 16"):
        given.succeed()
    given.fail(ValueError(), WORKER, "error")
    assert written(effects(given.finish())) == []


# ---- sending before the end ----


async def test_what_is_flushed_is_no_longer_part_of_the_outcome() -> None:
    flusher = Flushed()
    given = job(frames("x"), [route(RECEIVE, handler)], flusher)
    given.begin(0)
    given.outbox.send_reply("reply.i1!c1", {"text": "early"})
    await given.outbox.flush()
    given.outbox.request_flush()
    assert [(each.id, payloads(found)) for each, found in flusher.now] == [(given.delivery.id, ["early"])]
    assert flusher.soon == [given.delivery]
    assert payloads(effects(given.finish())) == []


def test_job_and_outbox_part_at_the_end() -> None:
    given = job(frames("x"), [route(RECEIVE, handler)])
    assert given.outbox.hooks is given
    given.finish()
    assert given.outbox.hooks is None

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
from trunkline.protocol.codec import SEND, decode_dead_letter, decode_entry, decode_mailbox
from trunkline.protocol.errors import CodecError, ConsumerFinished, DenyConnection, InvalidName, SessionError
from trunkline.protocol.messages import (
    LAST_SEQ,
    DeadLetterRecord,
    Delivery,
    Effect,
    Entry,
    Outcome,
    Post,
    Register,
    SessionWrite,
    SetAside,
    Unregister,
)
from trunkline.protocol.names import CONNECT, RECEIVE, REQUEST, ChannelName, ReplyName
from trunkline.worker import Message, Retry, channel_session, route
from trunkline.worker.declarations import Routes
from trunkline.worker.effect_log import EffectLog
from trunkline.worker.job import Job
from trunkline.worker.routing import Routing
from trunkline.worker.sessions import HeldSession


class Flushed:
    """Takes what a job wants sent before its end."""

    def __init__(self) -> None:
        self.now: list[tuple[Delivery, list[Effect]]] = []
        self.soon: list[Delivery] = []

    async def flush(self, delivery: Delivery, effects: list[Effect]) -> None:
        self.now.append((delivery, effects))

    def flush_soon(self, delivery: Delivery, outbox: EffectLog) -> None:
        self.soon.append(delivery)


def handler(message: Message) -> None: ...


async def waiting(message: Message) -> None: ...


@channel_session
def with_session(message: Message) -> None: ...


def job(given: Delivery, routes: Routes, flusher: Flushed | None = None) -> Job:
    entry = decode_entry(given.channel, given.body)
    return Job.of(given, entry, Routing.load(routes) if routes else Routing([]), flusher or Flushed())


def effects(outcome: Outcome) -> list[Effect]:
    return outcome.effects


# ---- what it is ----


def test_it_knows_whether_a_handler_must_be_awaited() -> None:
    assert not job(frames("x"), [route(RECEIVE, handler)]).plan.asynchronous
    assert job(frames("x"), [route(RECEIVE, waiting)]).plan.asynchronous
    mixed = [route(RECEIVE, waiting, text="^b"), route(RECEIVE, handler)]
    assert job(frames("a", "b"), mixed).plan.asynchronous


def test_it_asks_for_a_session_only_if_a_handler_does() -> None:
    assert job(frames("x", connection="c7"), [route(RECEIVE, with_session)]).session_of == "c7"
    assert job(frames("x"), [route(RECEIVE, handler)]).session_of is None
    assert job(background("work", {"a": 1}), [route("work", with_session)]).session_of is None


def test_it_says_what_it_is_for_log_lines() -> None:
    assert str(job(frames("x"), [route(RECEIVE, handler)])).startswith("channel=websocket.receive route=")
    assert str(job(frames("x"), [route(RECEIVE, handler)])).endswith("handler connection=c1")
    assert str(job(background("work", {}), [])) == "channel=work route=- connection=-"


def test_it_says_the_same_by_name_for_log_lines_in_json() -> None:
    told = job(frames("x"), [route(RECEIVE, handler)]).log_fields()
    assert (told["channel"], told["connection"]) == (RECEIVE, "c1")
    assert told["route"].endswith("handler")
    assert job(background("work", {}), []).log_fields() == {"channel": "work", "route": "-"}


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


def failed(given: Job, times: int = 1, error: BaseException | None = None) -> list[str | None]:
    """What is planned each time the step at work fails."""
    plans = []
    for _ in range(times):
        given.begin(given.step)
        plans.append(given.try_again(error or ValueError("no"), WORKER))
    return plans


def test_a_step_is_tried_as_often_as_its_route_says_with_growing_pauses() -> None:
    given = job(frames("a"), [route(RECEIVE, handler, on_error=Retry(3, 0.5, jitter=0))])
    pauses = []
    while failed(given) == ["retry"]:
        pauses.append(given.pause_s)
    assert pauses == [0.5, 1.0, 2.0]


def test_each_step_has_tries_of_its_own() -> None:
    given = job(frames("a", "b"), [route(RECEIVE, handler, on_error=Retry(1, 0))])
    assert failed(given) == ["retry"]
    given.begin(1)
    assert failed(given, 2) == ["retry", None]


def test_a_worker_that_died_with_a_message_counts_as_a_try() -> None:
    given = job(frames("a", attempt=3), [route(RECEIVE, handler, on_error=Retry(3, 0))])
    assert failed(given, 2) == ["retry", None]


def test_without_a_policy_nothing_is_tried_again() -> None:
    assert failed(job(frames("a"), [route(RECEIVE, handler)])) == [None]
    assert failed(job(frames("a"), [])) == [None]


def test_a_handler_that_asks_is_tried_again_as_often_as_it_says() -> None:
    given = job(frames("a"), [route(RECEIVE, handler)])
    assert failed(given, 3, Retry(2, after_s=0.25)) == ["retry", "retry", None]
    assert given.pause_s == 0.25


def test_a_second_try_sees_the_message_as_the_first_one_did() -> None:
    given = job(frames("a"), [route(RECEIVE, handler, on_error=Retry(1, 0))])
    message = given.begin(0)
    message["text"] = "changed"
    assert given.try_again(ValueError(), WORKER)
    assert given.begin(0)["text"] == "a"


def test_a_retry_drops_what_the_try_did() -> None:
    given = job(frames("a"), [route(RECEIVE, handler, on_error=Retry(1, 0))])
    given.begin(0)
    given.send_reply("reply.i1!c1", {"text": "half"})
    assert given.try_again(ValueError(), WORKER)
    assert payloads(effects(given.finish())) == []


# ---- setting aside ----

ASIDE = [route(RECEIVE, handler, on_error=Retry(2, 0.5, jitter=0), ordered=False)]


def aside(found: list[Effect]) -> tuple[Entry, int, DeadLetterRecord]:
    """What was set aside: its entry, its pause in milliseconds, and the letter that stands by."""
    (effect,) = [effect for effect in found if isinstance(effect, SetAside)]
    assert effect.channel == RECEIVE or effect.channel == "work"
    return (
        decode_entry(effect.channel, effect.body),
        effect.delay_ms,
        decode_dead_letter("", effect.letter),
    )


def test_without_order_an_event_is_set_aside_alone_and_its_entry_goes_on() -> None:
    given = job(frames("a", "b", "c", path="/chat", seq=4), ASIDE)
    for index, text in enumerate("abc"):
        message = given.begin(index)
        message.content["text"] = "changed"
        given.send_reply("reply.i1!c1", {"text": text})
        if text == "b":
            assert given.try_again(ValueError("no"), WORKER) == "set_aside"
        else:
            given.succeed()
    found = effects(given.finish())
    entry, delay_ms, kept = aside(found)
    assert payloads(found) == ["a", "c"]
    assert entry == Entry(RECEIVE, ReplyName("reply.i1!c1"), "/chat", -1, ["b"], "c1:5", 1)
    assert delay_ms == 500
    assert (kept.reason, kept.error, kept.tries) == ("delayed_full", "ValueError: no", 1)
    assert decode_entry(RECEIVE, kept.body).seq == 5


def test_what_was_set_aside_keeps_its_name_and_count_and_ends_as_a_dead_letter() -> None:
    entry = Entry(RECEIVE, ReplyName("reply.i1!c1"), "/", -1, ["a"], "c1:5", 1)
    given = job(delivery(entry), ASIDE)
    assert given.begin(0).id == "c1:5"
    assert failed(given) == ["set_aside"]
    again, delay_ms, _ = aside(effects(given.finish()))
    assert (again, delay_ms) == (entry._replace(tries=2), 1000)
    last = job(delivery(again), ASIDE)
    assert failed(last) == [None]
    last.fail(ValueError("no"), WORKER, "error")
    (letter,) = letters(effects(last.finish()))
    assert (letter.reason, letter.tries) == ("error", 3)
    assert "failed 3 times: as often as Retry(times=2" in letter.traceback


def test_the_reply_of_a_late_try_is_a_send_from_elsewhere() -> None:
    given = job(delivery(Entry(RECEIVE, ReplyName("reply.i1!c1"), "/", -1, ["a"], "c1:5", 1)), ASIDE)
    given.begin(0)
    given.send_reply("reply.i1!c1", {"text": "late"})
    given.succeed()
    (post,) = effects(given.finish())
    assert isinstance(post, Post)
    assert decode_mailbox(b"\x01" + post.chunk) == [[SEND, "c1", -1, "late"]]


def test_the_sends_of_a_late_try_are_named_as_those_of_the_first() -> None:
    first = job(frames("a", seq=5), ASIDE)
    first.begin(0)
    late = job(delivery(Entry(RECEIVE, ReplyName("reply.i1!c1"), "/", -1, ["a"], "c1:5", 1)), ASIDE)
    late.begin(0)
    assert first.event_id() == late.event_id() == "c1:5"


def test_a_background_message_is_set_aside_whatever_its_route_says() -> None:
    given = job(background("work", {"n": 1}), [route("work", handler, on_error=Retry(1, 2, jitter=0))])
    assert failed(given) == ["set_aside"]
    entry, delay_ms, _ = aside(effects(given.finish()))
    assert entry == Entry(ChannelName("work"), None, None, 0, [{"n": 1}], given.delivery.id, 1)
    assert delay_ms == 2000


def test_an_event_that_was_redriven_is_tried_again_in_its_place_for_other_letters_wait_behind_it() -> None:
    entry = Entry(RECEIVE, ReplyName("reply.i1!c1"), "/", -2, ["a"], "c1:5")
    assert failed(job(delivery(entry), [route(RECEIVE, handler, on_error=Retry(1))])) == ["retry"]
    given = job(delivery(entry), ASIDE)
    assert failed(given) == ["set_aside"]
    assert aside(effects(given.finish()))[0] == entry._replace(tries=1)


def test_a_note_about_the_tries_is_made_once_for_an_error_raised_over_and_over() -> None:
    error = ValueError("always the same")
    for _ in range(2):
        given = job(frames("a"), [route(RECEIVE, handler, on_error=Retry(1, 0))])
        assert failed(given, 2, error) == ["retry", None]
        given.fail(error, WORKER, "error")
    assert len(error.__notes__) == 1


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
    given.send_reply("reply.i1!c1", {"text": "kept"})
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
    assert isinstance(found[0], SessionWrite)
    assert len(found) == 2


def test_an_unchanged_session_is_not_written() -> None:
    given = job(frames("x"), [route(RECEIVE, with_session)])
    given.held = HeldSession(b"", 1000)
    given.begin(0).channel_session.get("a")
    given.succeed()
    assert written(effects(given.finish())) == []


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
    given.send_reply("reply.i1!c1", {"text": "early"})
    await given.flush()
    given.request_flush()
    assert [(each.id, payloads(found)) for each, found in flusher.now] == [(given.delivery.id, ["early"])]
    assert flusher.soon == [given.delivery]
    assert payloads(effects(given.finish())) == []


def test_a_job_that_has_ended_is_no_longer_held_by_itself() -> None:
    given = job(frames("x"), [route(RECEIVE, handler)])
    assert given.hooks is given
    given.finish()
    assert given.hooks is None

"""The outbox, and `release` behind it: what handlers do comes out in the same order, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.jobs import job_of
from trunkline.protocol.codec import decode_entry, decode_mailbox
from trunkline.protocol.errors import InvalidName, MessageError
from trunkline.protocol.messages import (
    LAST_SEQ,
    ChannelSend,
    DeadLetter,
    Effect,
    Entry,
    GroupAdd,
    GroupSend,
    Post,
    Register,
    SessionWrite,
    Unregister,
)
from trunkline.protocol.names import CONNECT, DISCONNECT, RECEIVE, REQUEST, ChannelName, GroupName, ReplyName
from trunkline.worker.effect_log import EffectLog
from trunkline.worker.outbox import CURRENT, Outbox, current

OWN = ReplyName("reply.i1!c1")
OTHER = ReplyName("reply.i2!c2")
ROOM = GroupName("room")
WORK = ChannelName("work")


def operations(effects: list[Effect]) -> list[list[Any]]:
    """Mailbox operations of all effects, in order."""
    return [
        each
        for item in effects
        if isinstance(item, Post | GroupAdd | GroupSend)
        for each in decode_mailbox(b"\x01" + item.chunk)
    ]


# ---- order ----

Step = tuple[str, Any]
_steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["own", "bytes", "close", "other", "add", "discard", "group", "work", "session", "dead", "take"]
        ),
        st.integers(0, 999).map(str),
    ),
    max_size=20,
)


def do(outbox: Outbox, step: Step, flushed: list[Effect]) -> None:
    kind, value = step
    match kind:
        case "own":
            outbox.send_reply(OWN, {"text": value})
        case "bytes":
            outbox.send_reply(OWN, {"bytes": value.encode()})
        case "close":
            outbox.send_reply(OWN, {"text": value, "close": True})
        case "other":
            outbox.send_reply(OTHER, {"text": value})
        case "add":
            outbox.group_add(GroupName(value), OWN)
        case "discard":
            outbox.group_discard(GroupName(value), OWN)
        case "group":
            outbox.group_send(ROOM, {"text": value})
        case "work":
            outbox.channel_send(WORK, {"n": value})
        case "session":
            outbox.write_session(value.encode())
        case "dead":
            outbox.dead_letter(value.encode())
        case "take":
            flushed.extend(outbox.take())


def expected(steps: list[Step]) -> list[Any]:
    """What a connection or a group could see, in the order in which it was done."""
    own: dict[str, Any] = {
        "own": lambda value: ("payload", value),
        "bytes": lambda value: ("payload", value.encode()),
        "close": lambda value: ("payload", {"text": value, "close": True}),
        "other": lambda value: ("foreign", value),
        "add": lambda value: ("add", value),
        "discard": lambda value: ("discard", value),
        "group": lambda value: ("group", value),
    }
    return [own[kind](value) for kind, value in steps if kind in own]


def seen(effects: list[Effect], seq: int) -> list[Any]:
    """The same, from the operations."""
    found: list[Any] = []
    for operation in operations(effects):
        match operation:
            case [1, "c1", number, payloads]:
                assert number == seq
                found += [("payload", payload) for payload in payloads]
            case [2, "c1", number, payload]:
                assert number == seq
                found.append(("payload", payload))
            case [2, "c2", -1, payload]:
                found.append(("foreign", payload))
            case [3, "room", payload]:
                found.append(("group", payload))
            case [4, group, "c1"]:
                found.append(("add", group))
            case [5, group, "c1"]:
                found.append(("discard", group))
            case _:  # pragma: no cover
                raise AssertionError(operation)
    return found


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(_steps)
def test_everything_comes_out_in_the_order_in_which_it_was_done(steps: list[Step]) -> None:
    outbox, flushed = Outbox(OWN, 5), list[Effect]()
    for step in steps:
        do(outbox, step, flushed)
    last = outbox.release()
    assert seen(flushed + last, 5) == expected(steps)
    assert operations(last)[-1][0] == 1
    effects = flushed + last
    assert [e.value.decode() for e in effects if isinstance(e, SessionWrite)] == _of(steps, "session")
    assert [e.body.decode() for e in effects if isinstance(e, DeadLetter)] == _of(steps, "dead")
    sent = [decode_entry(WORK, e.body) for e in effects if isinstance(e, ChannelSend)]
    assert [entry.events[0]["n"] for entry in sent] == _of(steps, "work")
    assert [entry.id for entry in sent] == [f"c1:5/{n}" for n in range(len(sent))]


def _of(steps: list[Step], kind: str) -> list[Any]:
    return [value for each, value in steps if each == kind]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(_steps, _steps, _steps)
def test_a_rollback_drops_one_handler_and_nothing_else(
    before: list[Step], bad: list[Step], after: list[Step]
) -> None:
    outbox, flushed = Outbox(OWN, 5), list[Effect]()
    for step in before:
        do(outbox, step, flushed)
    mark = outbox.mark()
    for step in bad:
        do(outbox, step, flushed)
    outbox.rollback(mark)
    for step in after:
        do(outbox, step, flushed)
    kept = max((index + 1 for index, (kind, _) in enumerate(bad) if kind == "take"), default=0)
    assert seen(flushed + outbox.release(), 5) == expected(before + bad[:kept] + after)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(_steps)
def test_an_accepted_connect_keeps_its_order_too(steps: list[Step]) -> None:
    outbox, flushed = Outbox(OWN, 0, CONNECT), list[Effect]()
    outbox.send_reply(OWN, {"accept": True})
    for step in steps:
        do(outbox, step, flushed)
    last = outbox.release_connect("/chat/a")
    release = operations(last)[-1]
    assert release[3].pop(0) == {"accept": True}
    found = seen(flushed + last[:-1], 0) + [("payload", payload) for payload in release[3]]
    assert found == expected(steps)


# ---- single cases ----


def test_an_echo_is_one_release() -> None:
    outbox = Outbox(OWN, 5)
    outbox.send_reply(OWN, {"text": "hello"})
    [effect] = outbox.release()
    assert isinstance(effect, Post)
    assert effect.interface == "i1"
    assert operations([effect]) == [[1, "c1", 5, ["hello"]]]


def test_nothing_done_is_a_release_as_well() -> None:
    assert operations(Outbox(OWN, 5).release()) == [[1, "c1", 5, []]]


def test_a_session_write_does_not_part_replies_from_the_release() -> None:
    outbox = Outbox(OWN, 5)
    outbox.send_reply(OWN, {"text": "a"})
    outbox.write_session(b"s")
    outbox.send_reply(OWN, {"text": "b"})
    write, release = outbox.release()
    assert isinstance(write, SessionWrite)
    assert operations([release]) == [[1, "c1", 5, ["a", "b"]]]


def test_a_group_add_names_the_interface_of_its_member() -> None:
    outbox = Outbox(OWN, 5)
    outbox.group_add(ROOM, OTHER)
    outbox.group_send(ROOM, {"text": "x"})
    add, send, _ = outbox.release()
    assert isinstance(add, GroupAdd)
    assert (add.group, add.interface) == (ROOM, "i2")
    assert isinstance(send, GroupSend)


def test_a_connection_takes_only_what_it_is_for() -> None:
    with pytest.raises(MessageError, match="'accept'"):
        Outbox(OWN, 5).send_reply(OWN, {"accept": True})
    with pytest.raises(MessageError, match="'text' belongs to a WebSocket"):
        Outbox(OWN, 0, REQUEST).send_reply(OWN, {"text": "x"})
    with pytest.raises(MessageError, match="'accept'"):
        Outbox(OWN, 5).group_send(ROOM, {"accept": True})
    outbox = Outbox(OWN, 0, REQUEST)
    outbox.send_reply(OWN, {"status": 200, "content": "ok"})
    assert operations(outbox.release())[0][3] == [
        {"status": 200, "headers": [], "content": b"ok", "more_content": False}
    ]


def test_a_connect_without_a_word_is_accepted_and_registered() -> None:
    register, release = Outbox(OWN, 0, CONNECT).release_connect("/chat/a")
    assert isinstance(register, Register)
    assert (register.interface, register.connection) == ("i1", "c1")
    gone = decode_entry(DISCONNECT, register.disconnect)
    assert gone == Entry(DISCONNECT, OWN, "/chat/a", LAST_SEQ, [{"code": 1006, "reason": ""}])
    assert operations([release]) == [[1, "c1", 0, [{"accept": True}]]]


def test_a_refused_connect_keeps_only_what_was_for_others() -> None:
    outbox = Outbox(OWN, 0, CONNECT)
    outbox.send_reply(OWN, {"close": True})
    outbox.group_add(ROOM, OWN)
    outbox.group_add(ROOM, OTHER)
    outbox.group_send(ROOM, {"text": "somebody tried"})
    outbox.channel_send(WORK, {"n": 1})
    outbox.send_reply(OTHER, {"text": "you"})
    outbox.write_session(b"s")
    outbox.dead_letter(b"d")
    effects = outbox.release_connect("/")
    assert [type(effect) for effect in effects] == [GroupAdd, GroupSend, ChannelSend, Post, DeadLetter, Post]
    assert operations(effects[:1]) == [[4, "room", "c2"]]
    assert operations(effects[-1:]) == [[1, "c1", 0, [{"accept": False, "status": 403}]]]


def test_a_refusal_from_outside_overrules_the_handler() -> None:
    outbox = Outbox(OWN, 0, CONNECT)
    outbox.send_reply(OWN, {"accept": True})
    assert operations(outbox.release_connect("/", 500)) == [[1, "c1", 0, [{"accept": False, "status": 500}]]]


def test_a_flush_within_connect_does_not_accept_and_is_cleaned_up_if_refused() -> None:
    outbox = Outbox(OWN, 0, CONNECT)
    outbox.send_reply(OWN, {"accept": True, "text": "a"})
    outbox.write_session(b"s")
    assert operations(outbox.take()) == [[2, "c1", 0, "a"]]
    forget, release = outbox.release_connect("/", 403)
    assert forget == Unregister(outbox.interface, outbox.connection)
    assert operations([release])[0][3] == [{"accept": False, "status": 403}]


def test_a_refusal_that_was_flushed_still_refuses() -> None:
    outbox = Outbox(OWN, 0, CONNECT)
    outbox.send_reply(OWN, {"accept": False, "status": 401})
    assert outbox.take() == []
    assert operations(outbox.release_connect("/"))[0][3] == [{"accept": False, "status": 401}]


def test_a_disconnect_forgets_the_connection_last() -> None:
    outbox = Outbox(OWN, 9, DISCONNECT)
    outbox.group_send(ROOM, {"text": "gone"})
    assert [type(effect) for effect in outbox.release_disconnect()] == [GroupSend, Post, Unregister]


def test_a_background_message_has_no_connection_to_release() -> None:
    outbox = job_of(Entry(WORK, OWN, None, 0, [{}], "m/0"))
    outbox.send_reply(OWN, {"text": "done"})
    outbox.channel_send(WORK, {})
    assert operations(outbox.take()) == [[2, "c1", -1, "done"]]
    outbox.channel_send(WORK, {})
    [effect] = outbox.release()
    assert isinstance(effect, ChannelSend)
    assert decode_entry(WORK, effect.body).id == "m/0/1"


def test_a_background_message_without_an_id_is_named_by_its_delivery_or_anew() -> None:
    named = job_of(Entry(WORK, None, None, 0, [{}]))
    assert _ids(named) == ["7-1/0", "7-1/1"]
    first, second = _ids(Outbox(None, 0)), _ids(Outbox(None, 0))
    assert len({str(each).partition("/")[0] for each in first}) == 1
    assert not set(first) & set(second)


def _ids(outbox: Outbox) -> list[str | None]:
    outbox.channel_send(WORK, {})
    outbox.channel_send(WORK, {})
    return [
        decode_entry(WORK, effect.body).id for effect in outbox.release() if isinstance(effect, ChannelSend)
    ]


def test_each_event_of_an_entry_names_what_it_sends() -> None:
    outbox = job_of(Entry(RECEIVE, OWN, "/", 5, ["a", "b"]))
    outbox.mark(5)
    outbox.channel_send(WORK, {})
    outbox.mark(6)
    outbox.channel_send(WORK, {})
    sent = [decode_entry(WORK, effect.body).id for effect in outbox.take() if isinstance(effect, ChannelSend)]
    assert sent == ["c1:5/0", "c1:6/0"]


@pytest.mark.parametrize("channel", [CONNECT, RECEIVE])
@pytest.mark.parametrize("refusal", [None, 403])
def test_a_redriven_event_releases_nothing(channel: ChannelName, refusal: int | None) -> None:
    events: list[Any] = ["a"] if channel == RECEIVE else [{}]
    outbox = job_of(Entry(channel, OWN, "/", -1, events))
    outbox.send_reply(OWN, {"text": "late"})
    outbox.channel_send(WORK, {})
    effects = outbox.release_connect("/", refusal) if channel == CONNECT else outbox.release()
    kept = refusal is None or channel == RECEIVE
    assert operations(effects) == ([[2, "c1", -1, "late"]] if kept else [])
    assert [decode_entry(WORK, e.body).id for e in effects if isinstance(e, ChannelSend)] == ["7-1/0"]


def test_a_redriven_event_names_what_it_sends_as_it_did_at_first() -> None:
    outbox = job_of(Entry(RECEIVE, OWN, "/", -3, ["a"], "c1:5"))
    outbox.mark(-3)
    outbox.send_reply(OWN, {"text": "late"})
    outbox.channel_send(WORK, {})
    effects = outbox.release()
    assert operations(effects) == [[2, "c1", -1, "late"]]
    assert [decode_entry(WORK, e.body).id for e in effects if isinstance(e, ChannelSend)] == ["c1:5/0"]


def test_a_garbage_reply_channel_is_refused_before_any_handler_runs() -> None:
    with pytest.raises(InvalidName, match="'garbage'"):
        Outbox(ReplyName("garbage"), 5)


async def test_what_comes_after_the_end_is_refused() -> None:
    class Hooks:
        async def flush_log(self, outbox: EffectLog) -> None:
            raise AssertionError("nothing to flush")

        def log_fields(self) -> dict[str, Any]:
            return {}

        def flush_log_soon(self, outbox: EffectLog) -> None: ...

    outbox = Outbox(OWN, 5, hooks=Hooks())
    outbox.release()
    with pytest.raises(MessageError, match="has ended"):
        outbox.send_reply(OWN, {"text": "late"})
    with pytest.raises(MessageError, match="has ended"):
        await outbox.flush()
    assert outbox.take() == []


async def test_without_hooks_a_flush_is_refused_and_immediately_waits_for_the_end() -> None:
    outbox = Outbox(OWN, 5)
    outbox.request_flush()
    with pytest.raises(MessageError):
        await outbox.flush()


def test_the_current_outbox_is_that_of_the_handler_at_work() -> None:
    with pytest.raises(MessageError, match="outside of any handler"):
        current()
    outbox = Outbox(OWN, 5)
    token = CURRENT.set(outbox)
    assert current() is outbox
    CURRENT.reset(token)


def test_a_flush_from_another_thread_loses_nothing_that_is_just_being_sent() -> None:
    outbox, flushed = Outbox(OWN, 5), list[Effect]()

    class Interrupted(dict[str, Any]):
        """Content in the middle of whose check the event loop's thread flushes."""

        def items(self) -> Any:
            flushed.extend(outbox.take())
            return super().items()

    outbox.send_reply(OWN, {"text": "a"})
    outbox.send_reply(OWN, Interrupted(text="b"))
    assert operations(flushed) == [[2, "c1", 5, "a"]]
    assert operations(outbox.release()) == [[1, "c1", 5, ["b"]]]

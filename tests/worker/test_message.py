from __future__ import annotations

from typing import Any

import pytest

from tests.support.jobs import job_of
from trunkline.protocol.errors import MessageError
from trunkline.protocol.messages import Content, Entry
from trunkline.protocol.names import CONNECT, DISCONNECT, RECEIVE, ChannelName, ReplyName
from trunkline.worker.effect_log import EffectLog
from trunkline.worker.events import contents as message_contents
from trunkline.worker.message import Message
from trunkline.worker.outbox import CURRENT, Outbox
from trunkline.worker.sessions import HeldSession

REPLY = ReplyName("reply.i1!c1")
WORK = ChannelName("work")


def message(entry: Entry, index: int = 0, attempt: int = 1, session: HeldSession | None = None) -> Message:
    return Message(contents(entry)[index], job_of(entry, attempt), index, session)


def contents(entry: Entry) -> list[Content]:
    return message_contents(entry.channel, entry[1:5])


def test_each_frame_of_an_entry_has_the_keys_of_channels() -> None:
    entry = Entry(RECEIVE, REPLY, "/chat/a", 5, ["hello", b"\x00"])
    assert contents(entry) == [
        {"reply_channel": REPLY, "path": "/chat/a", "order": 5, "text": "hello"},
        {"reply_channel": REPLY, "path": "/chat/a", "order": 6, "bytes": b"\x00"},
    ]


def test_a_connect_has_the_keys_of_its_event_and_of_its_entry() -> None:
    entry = Entry(CONNECT, REPLY, "/chat/a", 0, [{"query_string": "username=ada", "path": "/forged"}])
    assert contents(entry) == [
        {"query_string": "username=ada", "reply_channel": REPLY, "path": "/chat/a", "order": 0}
    ]


def test_a_disconnect_has_its_code() -> None:
    entry = Entry(DISCONNECT, REPLY, "/", 9, [{"code": 1001, "reason": ""}])
    assert contents(entry)[0]["code"] == 1001


def test_a_background_message_has_what_was_sent() -> None:
    event = {"task": "mail"}
    made = contents(Entry(WORK, None, None, 0, [event], "m/0"))
    assert made == [{"task": "mail"}]
    assert made[0] is not event
    assert contents(Entry(WORK, REPLY, None, 0, [event])) == [{"task": "mail", "reply_channel": REPLY}]


def test_a_message_reads_like_its_content() -> None:
    made = message(Entry(RECEIVE, REPLY, "/", 1, ["hello"]))
    assert made["text"] == made.content["text"] == made.get("text") == "hello"
    assert "text" in made
    assert "bytes" not in made
    assert made.get("bytes", "none") == "none"
    assert set(made.keys()) == {"reply_channel", "path", "order", "text"}
    assert dict(made.items()) == made.content
    assert "hello" in made.values()
    made["text"] = "changed"
    assert made.content["text"] == "changed"


def test_a_message_knows_its_channels() -> None:
    made = message(Entry(RECEIVE, REPLY, "/", 1, ["hello"]))
    assert made.channel.name == "websocket.receive"
    assert made.reply_channel is not None
    assert made.reply_channel.name == REPLY
    assert made.reply_channel is made.reply_channel
    assert message(Entry(WORK, None, None, 0, [{}])).reply_channel is None


def test_each_event_has_an_id_of_its_own_that_a_redelivery_keeps() -> None:
    entry = Entry(RECEIVE, REPLY, "/", 5, ["a", "b"])
    assert [message(entry, index).id for index in (0, 1)] == ["c1:5", "c1:6"]
    assert message(entry, 1, attempt=2).id == "c1:6"
    assert message(Entry(WORK, REPLY, None, 0, [{}], "c1:5/0")).id == "c1:5/0"
    assert message(Entry(WORK, None, None, 0, [{}])).id == "7-1"


def test_a_message_tells_when_it_may_have_been_begun_before() -> None:
    entry = Entry(RECEIVE, REPLY, "/", 5, ["a"])
    assert (message(entry).attempt, message(entry).redelivered) == (1, False)
    assert (message(entry, attempt=3).attempt, message(entry, attempt=3).redelivered) == (3, True)


def test_a_message_without_a_session_says_how_to_get_one() -> None:
    made = message(Entry(RECEIVE, REPLY, "/", 5, ["a"]))
    assert not hasattr(made, "channel_session")
    with pytest.raises(AttributeError, match="add @channel_session above the handler"):
        _ = made.channel_session


def test_a_message_gives_the_session_of_its_connection() -> None:
    held = HeldSession(b"", 100)
    made = message(Entry(RECEIVE, REPLY, "/", 5, ["a"]), session=held)
    made.channel_session["room"] = "a"
    assert held.session == {"room": "a"}


def test_a_message_is_named_in_logs_without_its_values() -> None:
    text = repr(message(Entry(RECEIVE, REPLY, "/", 5, ["secret"])))
    assert text == "<Message c1:5 on websocket.receive ['order', 'path', 'reply_channel', 'text']>"


async def test_flush_hands_the_outbox_to_the_dispatcher() -> None:
    flushed: list[Any] = []

    class Hooks:
        async def flush_log(self, outbox: EffectLog) -> None:
            flushed.extend(outbox.take())

        def log_fields(self) -> dict[str, Any]:
            return {}

        def flush_log_soon(self, outbox: EffectLog) -> None: ...

    outbox = Outbox(REPLY, 5, hooks=Hooks())
    CURRENT.set(outbox)
    outbox.send_reply(REPLY, {"text": "x"})
    await message(Entry(RECEIVE, REPLY, "/", 5, ["a"])).flush()
    assert len(flushed) == 1


async def test_flush_outside_of_a_handler_is_refused() -> None:
    with pytest.raises(MessageError, match="outside"):
        await message(Entry(RECEIVE, REPLY, "/", 5, ["a"])).flush()

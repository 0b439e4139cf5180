from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from trunkline.protocol.codec import decode_entry, decode_mailbox
from trunkline.protocol.errors import InvalidName, MessageError
from trunkline.protocol.messages import ChannelSend, GroupAdd, GroupSend, Post
from trunkline.protocol.names import ChannelName, ReplyName
from trunkline.worker.channels import Channel, Group, ReplyChannel, reply_channel_of
from trunkline.worker.effect_log import EffectLog
from trunkline.worker.outbox import CURRENT, Outbox

OWN = ReplyName("reply.i1!c1")
OTHER = ReplyName("reply.i2!c2")


class Hooks:
    def __init__(self) -> None:
        self.asked = 0

    async def flush_log(self, outbox: EffectLog) -> None: ...

    def log_fields(self) -> dict[str, Any]:
        return {}

    def flush_log_soon(self, outbox: EffectLog) -> None:
        self.asked += 1


@pytest.fixture
def outbox() -> Iterator[Outbox]:
    made = Outbox(OWN, 5, hooks=Hooks())
    token = CURRENT.set(made)
    yield made
    CURRENT.reset(token)


def operations(effect: Any) -> list[list[Any]]:
    return decode_mailbox(b"\x01" + effect.chunk)


def test_a_reply_channel_answers_in_the_release(outbox: Outbox) -> None:
    ReplyChannel(OWN).send({"text": "hello"})
    [effect] = outbox.release()
    assert operations(effect) == [[1, "c1", 5, ["hello"]]]


def test_a_reply_channel_by_its_name_is_the_same(outbox: Outbox) -> None:
    Channel(OWN).send({"text": "hello"})
    Channel(OTHER).send({"text": "you"})
    first, second, last = outbox.release()
    assert operations(first) == [[2, "c1", 5, "hello"]]
    assert isinstance(second, Post)
    assert second.interface == "i2"
    assert operations(second) == [[2, "c2", -1, "you"]]
    assert operations(last) == [[1, "c1", 5, []]]


def test_messages_of_one_connection_share_a_reply_channel_that_nobody_can_rename() -> None:
    first, second = (reply_channel_of(ReplyName(f"reply.i1!{connection}")) for connection in ("c1", "c1"))
    assert first is second and first == Channel(OWN)
    anything: list[Any] = [first]
    with pytest.raises(AttributeError):
        anything[0].name = str(OTHER)


def test_a_background_channel_gets_a_message_after_a_delay(outbox: Outbox) -> None:
    Channel("mail").send({"to": "ada", "reply_channel": ReplyChannel(OWN)}, delay_s=1.5)
    effect = outbox.release()[0]
    assert isinstance(effect, ChannelSend)
    assert effect.delay_ms == 1500
    entry = decode_entry(ChannelName("mail"), effect.body)
    assert (entry.reply, entry.events, entry.id) == (OWN, [{"to": "ada"}], "c1:5/0")


def test_a_group_takes_reply_channels_and_their_names(outbox: Outbox) -> None:
    group = Group("chat-%s" % "a")  # noqa: UP031 (as the handlers of Channels 1.x have it)
    group.add(ReplyChannel(OWN))
    group.add(Channel(OWN))
    group.add(str(OWN))
    group.discard(ReplyChannel(OWN))
    group.send({"text": "hello"})
    *adds, discard, send, _ = outbox.release()
    assert adds == [GroupAdd(group.name, "i1", adds[0].chunk)] * 3  # type: ignore[union-attr,arg-type]
    assert operations(adds[0]) == [[4, "chat-a", "c1"]]
    assert operations(discard) == [[5, "chat-a", "c1"]]
    assert isinstance(send, GroupSend)
    assert operations(send) == [[3, "chat-a", "hello"]]


def test_immediately_asks_for_a_flush(outbox: Outbox) -> None:
    Channel("work").send({}, immediately=True)
    ReplyChannel(OWN).send({"text": "x"}, immediately=True)
    Group("a").send({"text": "x"}, immediately=True)
    assert isinstance(outbox.hooks, Hooks)
    assert outbox.hooks.asked == 3


@pytest.mark.parametrize("channel", [Channel(OWN), ReplyChannel(OWN)])
def test_a_reply_cannot_be_delayed(outbox: Outbox, channel: Channel) -> None:
    with pytest.raises(MessageError, match="only background channels can wait"):
        channel.send({"text": "x"}, delay_s=1)


@pytest.mark.parametrize("member", [None, 3, [OWN]])
def test_a_group_says_what_cannot_be_a_member(outbox: Outbox, member: Any) -> None:
    with pytest.raises(InvalidName, match=r"message\.reply_channel"):
        Group("a").add(member)


def test_a_background_channel_is_no_member_of_a_group(outbox: Outbox) -> None:
    with pytest.raises(InvalidName, match="'mail'"):
        Group("a").add(Channel("mail"))


@pytest.mark.parametrize("name", ["", "a b", None, ["a"], 3, "x" * 201])
def test_a_group_has_a_name(name: Any) -> None:
    with pytest.raises(InvalidName, match="group name"):
        Group(name)


@pytest.mark.parametrize("name", ["", "a b", None, ["a"], "reply.x!", "a!b"])
def test_a_channel_has_a_name(name: Any) -> None:
    with pytest.raises(InvalidName):
        Channel(name)


def test_sending_outside_of_a_handler_says_what_to_do() -> None:
    for send in (Channel("work").send, ReplyChannel(OWN).send, Group("a").send, Group("a").add):
        with pytest.raises(MessageError, match=r"trunkline\.worker\.outside\(redis_url\)"):
            send({"text": "x"} if send != Group("a").add else str(OWN))  # type: ignore[arg-type]


def test_channels_are_equal_by_name() -> None:
    assert Channel("work") == Channel("work")
    assert Channel(OWN) == ReplyChannel(OWN)
    assert len({Channel("work"), Channel("work"), Channel("other")}) == 2
    assert Channel("work") != "work"
    assert (str(Channel("work")), str(Group("a"))) == ("work", "a")
    assert [repr(each) for each in (Channel("work"), ReplyChannel(OWN), Group("a"))] == [
        "<Channel work>",
        "<ReplyChannel reply.i1!c1>",
        "<Group a>",
    ]

"""What goes back into a channel for a dead letter."""

from __future__ import annotations

import pytest

from trunkline.protocol.codec import decode_entry, encode_entry
from trunkline.protocol.errors import CodecError
from trunkline.protocol.messages import DeadLetterRecord, Entry
from trunkline.protocol.names import RECEIVE, ChannelName, ReplyName
from trunkline.protocol.redriving import Again, again, number, redrives

JOBS = ChannelName("jobs")
REPLY = ReplyName("reply.i1!c1")


def letter(entry: Entry) -> DeadLetterRecord:
    body = encode_entry(entry)
    return DeadLetterRecord("1-0", "error", entry.channel, body, "", "", "", 1, "w1", b"", 1.0)


def back(entry: Entry) -> Entry:
    found = again(letter(entry))
    return decode_entry(found.channel, found.body)


def test_an_event_of_a_connection_keeps_its_name_however_often_it_is_put_back() -> None:
    event = Entry(RECEIVE, REPLY, "/", 5, ["text"])
    once = back(event)
    twice = back(once)
    assert once == event._replace(seq=-2, id="c1:5")
    assert twice == event._replace(seq=-3, id="c1:5")
    assert [redrives(entry) for entry in (event, once, twice)] == [0, 1, 2]
    assert [number(entry) for entry in (event, once, twice)] == [5, 5, 5]
    assert again(letter(once))[2:] == ("i1", "c1")


def test_a_background_message_keeps_its_id_and_has_no_order() -> None:
    job = Entry(JOBS, REPLY, None, 0, [{"job": 1}], "c1:5/0")
    assert back(job) == job._replace(seq=-2)
    assert again(letter(job))[2:] == (None, None)
    assert number(job) is None


def test_several_events_in_one_letter_and_those_of_old_letters_have_no_name() -> None:
    assert back(Entry(RECEIVE, REPLY, "/", 5, ["a", "b"])).id is None
    nameless = Entry(RECEIVE, REPLY, "/", -1, ["a"])
    assert back(nameless) == nameless._replace(seq=-2)
    assert number(nameless) is None


@pytest.mark.parametrize("name", ["c1:", "c1", "c1:x", "c1:²", "c1:" + "9" * 5000])
def test_an_id_that_somebody_else_chose_is_no_number(name: str) -> None:
    assert number(Entry(RECEIVE, REPLY, "/", -2, ["a"], name)) is None


@pytest.mark.parametrize(
    "wrong",
    [
        letter(Entry(RECEIVE, REPLY, "/", 1, ["text"]))._replace(channel=ChannelName("")),
        letter(Entry(RECEIVE, REPLY, "/", 1, ["text"]))._replace(body=b"\xc1"),
        letter(Entry(RECEIVE, ReplyName("nobody"), "/", 1, ["text"])),
    ],
)
def test_what_no_handler_could_take_does_not_go_back(wrong: DeadLetterRecord) -> None:
    with pytest.raises(CodecError):
        again(wrong)


def test_a_message_without_a_connection_goes_back_as_it_is() -> None:
    job = Entry(JOBS, None, None, 0, [{}])
    assert again(letter(job)) == Again(JOBS, encode_entry(job._replace(seq=-2)))

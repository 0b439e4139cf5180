"""Dead letters as people and programs read them."""

from __future__ import annotations

import json
from typing import Any

from trunkline.deploy.dead_fields import counted, fields, lines, local, plain, safe, utc
from trunkline.protocol.codec import encode_entry, encode_session
from trunkline.protocol.messages import DeadLetterRecord, Entry
from trunkline.protocol.names import RECEIVE, ChannelName, ReplyName

NOW_S = 1_767_225_600.5
REPLY = ReplyName("reply.i1!c1")


def letter(*events: Any, **values: Any) -> DeadLetterRecord:
    entry = Entry(RECEIVE, REPLY, "/chat/a", 4, list(events or ["what they said"]))
    record = DeadLetterRecord(
        "17-0", "error", RECEIVE, encode_entry(entry), "chat.ws_echo", "KeyError: 'x'", "Traceback:\n  line 7",
        2, "w1", encode_session({"name": "ana", "token": b"\x00\xff"}), NOW_S, 3, "v1.2",
    )  # fmt: skip
    return record._replace(**values)


def shown(record: DeadLetterRecord) -> str:
    return "\n".join(lines(record))


def test_programs_get_every_field_decoded() -> None:
    found = fields(letter("text", b"\x00\xff"))
    assert found == {
        "id": "17-0",
        "time": "2026-01-01T00:00:00.500Z",
        "reason": "error",
        "channel": "websocket.receive",
        "route": "chat.ws_echo",
        "error": "KeyError: 'x'",
        "traceback": "Traceback:\n  line 7",
        "deliveries": 2,
        "tries": 3,
        "redriven": 0,
        "worker": "w1",
        "code_version": "v1.2",
        "connection": {"reply_channel": "reply.i1!c1", "id": "c1", "path": "/chat/a", "seq": 4},
        "events": ["text", {"$bytes": "00ff"}],
        "unreadable": None,
        "session": {"name": "ana", "token": {"$bytes": "00ff"}},
        "session_unreadable": None,
    }
    json.dumps(found, allow_nan=False)


def test_people_see_message_session_and_traceback() -> None:
    text = shown(letter("what\nthey said", b"\x00ab"))
    for part in (
        'message     "what\\nthey said"',
        "message     3 bytes: b'\\x00ab'",
        '"name": "ana"',
        "attempts    2 deliveries, 3 tries in the last",
        "code        v1.2",
        "event       4",
    ):
        assert part in text
    assert text.endswith("Traceback:\n  line 7")


def test_a_redriven_event_still_shows_which_it_was() -> None:
    entry = Entry(RECEIVE, REPLY, "/chat/a", -3, ["text"], "c1:4")
    again = letter(body=encode_entry(entry))
    found = fields(again)
    assert (found["redriven"], found["connection"]["seq"]) == (2, 4)
    assert "put back before: 2" in shown(again)
    assert "message id  c1:4" in shown(again)


def test_a_background_message_is_of_no_event_and_may_be_of_no_connection() -> None:
    jobs = ChannelName("jobs")
    of_nobody = letter(channel=jobs, body=encode_entry(Entry(jobs, None, None, 0, [{"a": 1.5}])), session=b"")
    found = fields(of_nobody)
    assert (found["connection"], found["events"], found["session"]) == (None, [{"a": 1.5}], None)
    assert "session     - (empty, or" in shown(of_nobody)
    of_somebody = letter(channel=jobs, body=encode_entry(Entry(jobs, REPLY, None, 0, [{}])))
    assert fields(of_somebody)["connection"]["seq"] is None
    assert "path        -\nevent       -" in shown(of_somebody)


def test_what_cannot_be_read_is_shown_as_it_is_and_why() -> None:
    broken = letter(body=b"\xc1" * 500, session=b"\x02", route="", worker="", code="", attempt=1, tries=0)
    found = fields(broken)
    assert (found["events"], found["connection"], found["session"]) == (None, None, None)
    assert found["unreadable"]["$bytes"] == "c1" * 500
    assert "version" in found["session_unreadable"]["expected"]
    text = shown(broken)
    assert "message     cannot be read: an entry" in text
    assert "and 100 more" in text
    assert "session     cannot be read: a session" in text
    assert "attempts    1 delivery\n" in text


def test_what_json_cannot_say_is_said_another_way() -> None:
    assert plain({"a": [b"\x01", float("nan"), {1: b""}, None, 2**64 - 1, "\ud800"]}) == {
        "a": [
            {"$bytes": "01"},
            {"$float": "nan"},
            {"$map": [[1, {"$bytes": ""}]]},
            None,
            2**64 - 1,
            "\ud800",
        ]
    }


def test_no_client_moves_the_cursor_of_who_reads_its_words() -> None:
    wicked = letter(
        "\x1b[2J\u009b", error="KeyError: '\x1b[31m'\nforged", traceback="line\x1b[1m\u2028\ud800"
    )
    text = shown(wicked)
    assert not set(text) & {"\x1b", "\u009b", "\u2028"}
    text.encode()
    assert safe("a\tb\x00") == "a\tb\\x00"


def test_a_time_that_no_calendar_has_does_not_hide_a_letter() -> None:
    for time_s in (float("nan"), float("inf"), 1e300, -1e300):
        assert utc(time_s) == "1970-01-01T00:00:00.000Z"
        assert local(time_s)


def test_letters_are_counted_by_reason_route_and_channel_most_first() -> None:
    seen = [("error", "a", "x", 3.0), ("error", "b", "x", 1.0), ("error", "a", "x", 2.0)]
    assert [
        (group["route"], group["letters"], group["oldest_s"], group["newest_s"]) for group in counted(seen)
    ] == [
        ("a", 2, 2.0, 3.0),
        ("b", 1, 1.0, 1.0),
    ]

"""Which dead letters a command means."""

from __future__ import annotations

import pytest

from trunkline.deploy.dead_filter import DeadFilter, checked_id, moment
from trunkline.deploy.settings import DeadListSettings
from trunkline.protocol.codec import encode_entry
from trunkline.protocol.errors import ConfigError
from trunkline.protocol.messages import DeadLetterRecord, Entry
from trunkline.protocol.names import RECEIVE, ReplyName
from trunkline.protocol.settings import parse

NOW_S = 1_767_225_600.0
BODY = encode_entry(Entry(RECEIVE, ReplyName("reply.i1!c1"), "/chat/a", 4, ["text"]))
LETTER = DeadLetterRecord(
    "1-0", "error", RECEIVE, BODY, "chat.consumers.ws_echo", "KeyError: 'x'", "", 1, "w1", b"", NOW_S
)


def the_filter(*flags: str) -> DeadFilter:
    return DeadFilter.of(parse(DeadListSettings, flags, "trunkline dead list"), NOW_S)


@pytest.mark.parametrize(
    ("flags", "matches"),
    [
        ([], True),
        (["--route", "chat.consumers.ws_echo"], True),
        (["--route", "chat.consumers"], False),
        (["--route", "chat.*"], True),
        (["--channel", "websocket.*"], True),
        (["--channel", "Websocket.*"], False),
        (["--reason", "timeout,error"], True),
        (["--reason", "timeout", "--reason", "poison"], False),
        (["--error", "'x'"], True),
        (["--error", "keyerror"], False),
        (["--connection", "c1"], True),
        (["--connection", "reply.i1!c1"], True),
        (["--connection", "i1"], False),
        (["--worker", "w1"], True),
        (["--worker", "w"], False),
        (["--since", "1s"], True),
        (["--since", "2026-01-01T00:00:01+00:00"], False),
        (["--until", "2026-01-01T00:00:00+00:00"], True),
        (["--until", "1s"], False),
        (["--route", "chat.*", "--worker", "w2"], False),
    ],
)
def test_a_letter_must_be_all_that_the_flags_say(flags: list[str], matches: bool) -> None:
    assert the_filter(*flags).matches(LETTER) is matches
    assert the_filter(*flags).given is bool(flags)


def test_a_letter_that_cannot_be_read_is_of_no_connection() -> None:
    garbage = LETTER._replace(body=b"\xc1")
    assert the_filter().matches(garbage)
    assert not the_filter("--connection", "c1").matches(garbage)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--reason", "broken"], "--reason 'broken': expected one of error, timeout"),
        (["--since", "yesterday"], "--since 'yesterday': expected 30s"),
        (["--until", "99999999999d"], "--until '99999999999d'"),
        (["--since", "1h", "--until", "2h"], "--since '1h' is later than --until '2h'"),
    ],
)
def test_a_filter_that_can_mean_nothing_is_refused(flags: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        the_filter(*flags)


def test_a_moment_is_a_span_before_now_or_a_date() -> None:
    assert [moment("--since", text, 1_000_000.0) for text in ("30s", "15m", "2h", "7d")] == [
        999_970.0,
        999_100.0,
        992_800.0,
        395_200.0,
    ]
    assert moment("--since", "2026-01-01T00:00:00+00:00", 0.0) == NOW_S


def test_an_id_has_two_numbers() -> None:
    assert checked_id("17-0") == "17-0"
    for wrong in ("17", "17-", "-", "a-b", "17-0 ", "\u0661-0"):
        with pytest.raises(ConfigError, match="trunkline dead list"):
            checked_id(wrong)

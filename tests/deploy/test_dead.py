"""``trunkline dead`` against a real Redis."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import redis as redis_client

from tests.support.commands import Done
from trunkline.deploy.dead import main, since
from trunkline.protocol.codec import encode_dead_letter, encode_entry
from trunkline.protocol.errors import ConfigError
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.messages import DeadLetterRecord, Entry
from trunkline.protocol.names import RECEIVE, ChannelName, Keys, ReplyName
from trunkline.protocol.settings import LayerSettings

NOW_S = 1_767_225_600.0


def a_letter(
    channel: ChannelName = RECEIVE, route: str = "chat.consumers.ws_echo", error: str = "KeyError: 'x'"
) -> bytes:
    event = "what they said" if channel == RECEIVE else {"job": b"binary"}
    body = encode_entry(Entry(channel, ReplyName("reply.i1!c1"), "/chat/a", 4, [event]))
    return encode_dead_letter(
        DeadLetterRecord("", "error", channel, body, route, error, "Traceback: line 7", 2, "w1", b"", NOW_S)
    )


@pytest.fixture
def keys(layer_settings: LayerSettings) -> Keys:
    return Keys(layer_settings.prefix)


@pytest.fixture
def dead(
    layer_settings: LayerSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    where = [
        "--redis-url",
        layer_settings.redis_url,
        "--prefix",
        layer_settings.prefix,
        "--run-dir",
        str(tmp_path),
    ]

    def run(verb: str, *arguments: str) -> Done:
        code = main([verb, *arguments, *where])
        printed = capsys.readouterr()
        return Done(code, printed.out, printed.err)

    return run


@pytest.fixture
def letters(layer_settings: LayerSettings, keys: Keys) -> list[str]:
    with redis_client.Redis.from_url(layer_settings.redis_url) as client:
        raws = [
            a_letter(),
            a_letter(route="other.handler", error="ValueError: y"),
            a_letter(ChannelName("jobs")),
        ]
        ids = [f"{int(NOW_S * 1000)}-{number}" for number in range(len(raws))]
        for letter_id, raw in zip(ids, raws, strict=True):
            client.xadd(keys.dead(), {b"b": raw}, id=letter_id)
    return ids


def listed(done: Done) -> list[str]:
    assert done.code == ExitCode.OK, done.err
    return [letter["id"] for letter in json.loads(done.out)]


def test_the_list_can_be_narrowed_by_route_error_channel_and_time(
    dead: Callable[..., Done], letters: list[str]
) -> None:
    assert listed(dead("list", "--json")) == letters
    assert listed(dead("list", "--json", "--route", "other")) == letters[1:2]
    assert listed(dead("list", "--json", "--error", "KeyError", "--channel", "jobs")) == letters[2:]
    assert listed(dead("list", "--json", "--since", "1s")) == []
    table = dead("list", "--limit", "1").out.splitlines()
    assert len(table) == 2
    assert "chat.consumers.ws_echo: KeyError: 'x'" in table[1]


def test_one_letter_is_shown_with_its_message_and_traceback(
    dead: Callable[..., Done], letters: list[str]
) -> None:
    done = dead("show", letters[0])
    for part in ("what they said", "Traceback: line 7", "reply.i1!c1"):
        assert part in done.out


def test_a_redriven_letter_is_a_message_again_and_no_letter_any_more(
    dead: Callable[..., Done], letters: list[str], keys: Keys, layer_settings: LayerSettings
) -> None:
    assert dead("redrive", letters[0]).out == "put back: 1 of 1\n"
    assert listed(dead("list", "--json")) == letters[1:]
    with redis_client.Redis.from_url(layer_settings.redis_url) as client:
        assert client.xlen(keys.stream(RECEIVE)) == 1


def test_all_that_the_filters_leave_can_be_dropped_at_once(
    dead: Callable[..., Done], letters: list[str]
) -> None:
    assert dead("drop", "--all", "--channel", "websocket.receive").out == "dropped: 2 of 2\n"
    assert listed(dead("list", "--json")) == letters[2:]


@pytest.mark.parametrize("arguments", [[], ["1-1", "--all"], ["not-an-id"]])
def test_a_change_must_say_exactly_what_is_meant(dead: Callable[..., Done], arguments: list[str]) -> None:
    done = dead("drop", *arguments)
    assert done.code == ExitCode.USAGE
    assert "trunkline dead list" in done.err


def test_a_letter_that_is_not_there_is_said(dead: Callable[..., Done]) -> None:
    done = dead("redrive", "1-1")
    assert done.code == ExitCode.FAILED
    assert "1-1: there is no such dead letter" in done.err


def test_since_takes_spans_and_dates() -> None:
    assert since("", 100.0) == 0.0
    assert [since(text, 1_000_000.0) for text in ("30s", "15m", "2h", "7d")] == [
        999_970.0,
        999_100.0,
        992_800.0,
        395_200.0,
    ]
    assert since("2026-01-01T00:00:00+00:00", 0.0) == NOW_S
    with pytest.raises(ConfigError, match="--since 'yesterday'"):
        since("yesterday", 0.0)

"""``trunkline dead`` against a real Redis."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import redis as redis_client

from tests.support.commands import PATHS, TRUNKLINE, Done, environment
from trunkline.deploy.dead import main
from trunkline.protocol.codec import encode_dead_letter, encode_entry
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.messages import DeadLetterRecord, Entry
from trunkline.protocol.names import RECEIVE, ChannelName, Keys, ReplyName
from trunkline.protocol.settings import LayerSettings

NOW_S = 1_767_225_600.0


def a_letter(
    channel: ChannelName = RECEIVE, route: str = "chat.consumers.ws_echo", error: str = "KeyError: 'x'"
) -> bytes:
    event = "what they said" if channel == RECEIVE else {"job": b"binary"}
    path = "/chat/a" if channel == RECEIVE else None
    body = encode_entry(Entry(channel, ReplyName("reply.i1!c1"), path, 4, [event]))
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
    return [letter["id"] for letter in json.loads(done.out)["letters"]]


def test_the_list_can_be_narrowed(dead: Callable[..., Done], letters: list[str]) -> None:
    assert listed(dead("list", "--json")) == letters
    assert listed(dead("list", "--json", "--route", "other.*")) == letters[1:2]
    assert listed(dead("list", "--json", "--error", "KeyError", "--channel", "jobs")) == letters[2:]
    assert listed(dead("list", "--json", "--since", "1s")) == []
    assert listed(dead("list", "--json", "--connection", "c1", "--worker", "w1")) == letters


def test_the_list_comes_page_by_page(dead: Callable[..., Done], letters: list[str]) -> None:
    first = dead("list", "--limit", "2")
    assert "chat.consumers.ws_echo: KeyError: 'x'" in first.out.splitlines()[1]
    assert f"there are more: --after {letters[1]} shows the next" in first.out
    rest = dead("list", "--limit", "2", "--after", letters[1])
    assert letters[2] in rest.out
    assert "--after" not in rest.out
    page = json.loads(dead("list", "--limit", "2", "--json").out)
    assert (page["schema"], page["next"], page["kept"], page["trimmed"]) == (1, letters[1], 3, 0)
    assert json.loads(dead("list", "--limit", "3", "--json").out)["next"] is None


def test_the_summary_counts_by_reason_route_and_channel(
    dead: Callable[..., Done], letters: list[str]
) -> None:
    found = json.loads(dead("list", "--summary", "--json", "--channel", "websocket.*").out)
    assert found["matching"] == 2
    assert found["summary"][0] == {
        "reason": "error",
        "route": "chat.consumers.ws_echo",
        "channel": "websocket.receive",
        "letters": 1,
        "oldest": "2026-01-01T00:00:00.000Z",
        "newest": "2026-01-01T00:00:00.000Z",
    }
    table = dead("list", "--summary").out.splitlines()
    assert len(table) == 1 + 3 + 1 + 1
    assert table[-1] == "dead letters kept: 3"
    assert "other.handler" in dead("list", "--summary").out


def test_letters_that_made_room_are_told(
    dead: Callable[..., Done], letters: list[str], keys: Keys, layer_settings: LayerSettings
) -> None:
    with redis_client.Redis.from_url(layer_settings.redis_url) as client:
        client.set(f"{keys.base}dead-count", 10)
    assert "kept: 3; 7 older ones made room for newer, see --dead-capacity" in dead("list").out
    assert dead("drop", letters[0]).code == ExitCode.OK
    assert json.loads(dead("list", "--json").out)["trimmed"] == 7


def test_letters_are_shown_with_their_message_and_traceback(
    dead: Callable[..., Done], letters: list[str]
) -> None:
    done = dead("show", letters[0], letters[2])
    for part in ("what they said", "Traceback: line 7", "reply.i1!c1", '"$bytes": "62696e617279"'):
        assert part in done.out
    found = json.loads(dead("show", letters[2], "--json").out)["letters"]
    assert [letter["events"] for letter in found] == [[{"job": {"$bytes": "62696e617279"}}]]


def test_what_is_not_there_to_show_is_said_and_the_rest_is_shown(
    dead: Callable[..., Done], letters: list[str]
) -> None:
    done = dead("show", "1-1", letters[0])
    assert done.code == ExitCode.FAILED
    assert "1-1: there is no such dead letter" in done.err
    assert "what they said" in done.out


def test_a_redriven_letter_is_a_message_again_and_no_letter_any_more(
    dead: Callable[..., Done], letters: list[str], keys: Keys, layer_settings: LayerSettings
) -> None:
    done = dead("redrive", letters[0])
    assert done.code == ExitCode.OK
    assert done.out.splitlines() == [
        f"{letters[0]}: put back; its connection is gone, so what its handler sends to it is dropped",
        "put back: 1 of 1",
    ]
    assert listed(dead("list", "--json")) == letters[1:]
    with redis_client.Redis.from_url(layer_settings.redis_url) as client:
        assert client.xlen(keys.stream(RECEIVE)) == 1


def test_letters_whose_turn_does_not_come_are_named_and_stay(
    dead: Callable[..., Done], letters: list[str]
) -> None:
    # All are event 4 of one connection, but for the background message; and no worker handles anything here.
    done = dead("redrive", "--all", "--wait-s", "0", "--json")
    assert done.code == ExitCode.FAILED
    told = json.loads(done.out)
    assert (told["verb"], told["done"], told["ended"]) == ("redrive", 2, True)
    assert {result["id"]: result["outcome"] for result in told["results"]} == {
        letters[0]: "put_back",
        letters[1]: "busy",
        letters[2]: "put_back",
    }
    assert listed(dead("list", "--json")) == letters[1:2]
    assert f"{letters[1]}: stays: a letter of the same" in dead("redrive", letters[1], "--wait-s", "0").err


def test_all_that_the_filters_leave_can_be_dropped_at_once(
    dead: Callable[..., Done], letters: list[str]
) -> None:
    assert dead("drop", "--all", "--channel", "websocket.receive").out.endswith("dropped: 2 of 2\n")
    assert listed(dead("list", "--json")) == letters[2:]


@pytest.mark.parametrize("verb", ["drop", "redrive"])
@pytest.mark.parametrize("arguments", [[], ["1-1", "--all"], ["not-an-id"], ["1-1", "--route", "x"]])
def test_a_change_must_say_exactly_what_is_meant(
    dead: Callable[..., Done], letters: list[str], verb: str, arguments: list[str]
) -> None:
    done = dead(verb, *arguments)
    assert done.code == ExitCode.USAGE
    assert "trunkline dead list" in done.err
    assert listed(dead("list", "--json")) == letters


@pytest.mark.parametrize(
    "arguments",
    [("list", "--reason", "x"), ("list", "--after", "x"), ("list", "--since", "x"), ("show", "x")],
)
def test_flags_that_are_wrong_are_told(dead: Callable[..., Done], arguments: tuple[str, ...]) -> None:
    done = dead(*arguments)
    assert done.code == ExitCode.USAGE
    assert "'x': expected" in done.err


def test_a_letter_that_is_not_there_is_said(dead: Callable[..., Done]) -> None:
    for verb in ("redrive", "drop"):
        done = dead(verb, "1-1")
        assert done.code == ExitCode.FAILED
        assert "1-1: there is no such dead letter" in done.err


def test_a_letter_of_another_version_is_shown_as_it_is_and_stays(
    dead: Callable[..., Done], keys: Keys, layer_settings: LayerSettings
) -> None:
    with redis_client.Redis.from_url(layer_settings.redis_url) as client:
        client.xadd(keys.dead(), {b"b": b"\x02of the future"}, id="5-0")
    (letter,) = json.loads(dead("show", "5-0", "--json").out)["letters"]
    assert (letter["reason"], letter["unreadable"]["$bytes"]) == ("unreadable", b"\x02of the future".hex())
    assert "b'\\x02of the future'" in dead("show", "5-0").out
    done = dead("redrive", "5-0")
    assert (done.code, done.out) == (ExitCode.FAILED, "put back: 0 of 1\n")
    assert "5-0: stays: it holds no message" in done.err
    assert listed(dead("list", "--json", "--reason", "unreadable")) == ["5-0"]


def test_an_interrupted_redrive_says_what_it_has_done_and_loses_nothing(
    dead: Callable[..., Done], letters: list[str], layer_settings: LayerSettings, tmp_path: Path
) -> None:
    where = ["--redis-url", layer_settings.redis_url, "--prefix", layer_settings.prefix]
    process = subprocess.Popen(
        [*TRUNKLINE, "dead", "redrive", "--all", *where, "--run-dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment() | {"PYTHONPATH": PATHS},
    )
    try:
        assert process.stdout is not None
        first = [process.stdout.readline(), process.stdout.readline()]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()

    assert process.returncode == 130
    assert "Traceback" not in err
    assert sorted(line.partition(":")[0] for line in first) == [letters[0], letters[2]]
    # Of three if it came in the middle of a call, whose letter is then named as in doubt.
    assert re.fullmatch(r"put back: 2 of [23]; it was interrupted, and all letters .* still there\n", out)
    assert listed(dead("list", "--json")) == letters[1:2]


def test_without_a_redis_that_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    where = ["--redis-url", f"unix://{tmp_path}/nothing.sock", "--run-dir", str(tmp_path)]
    assert main(["list", *where]) == ExitCode.NO_REDIS
    assert "trunkline dead list: Redis at" in capsys.readouterr().err

"""Settings of a worker."""

from __future__ import annotations

import pytest

from trunkline.protocol.errors import ConfigError
from trunkline.protocol.settings import parse
from trunkline.worker.settings import WorkerSettings


def given(*flags: str) -> WorkerSettings:
    return parse(WorkerSettings, flags, "trunkline worker")


def test_a_module_is_all_that_must_be_said() -> None:
    settings = given("chat.routing")
    assert settings.module == "chat.routing"
    assert (settings.threads, settings.concurrency, settings.prefetch) == (0, 100, 256)
    assert settings.handler_timeout_s == 30.0
    assert settings.only_channels == settings.exclude_channels == []
    assert not settings.log_messages


def test_flags_and_variables_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    by_flags = given("chat.routing", "--threads", "4", "--only-channels", "mail,thumbs.*", "--log-messages")
    monkeypatch.setenv("TRUNKLINE_THREADS", "4")
    monkeypatch.setenv("TRUNKLINE_ONLY_CHANNELS", "mail, thumbs.*")
    monkeypatch.setenv("TRUNKLINE_LOG_MESSAGES", "true")
    assert given("chat.routing") == by_flags
    assert by_flags.only_channels == ["mail", "thumbs.*"]


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--threads", "-1"),
        ("--threads", "257"),
        ("--concurrency", "0"),
        ("--handler-timeout-s", "0"),
        ("--prefetch", "0"),
        ("--session-max-bytes", "15"),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_name(flag: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{flag} .*{value}"):
        given("chat.routing", flag, value)


def test_a_missing_module_is_named() -> None:
    with pytest.raises(ConfigError, match="MODULE"):
        given()


def test_a_track_has_a_name_of_its_own() -> None:
    assert given("chat.routing").track == ""
    assert given("chat.routing", "--track", "v2").track == "v2"
    with pytest.raises(ConfigError, match=r"--track .*'A B' is not right: track 'A B': expected 1 to 30"):
        given("chat.routing", "--track", "A B")

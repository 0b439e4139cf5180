"""Log lines: one a record, nothing a client sends can forge another, floods are counted and not written."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from trunkline.protocol.errors import ConfigError
from trunkline.protocol.process import logs
from trunkline.protocol.process.logs import RateLimited


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    root.setLevel(level)


def logged(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def record(message: str, created_s: float = 1767268800.25) -> logging.LogRecord:
    made = logging.LogRecord("trunkline.x", logging.INFO, "x.py", 1, message, None, None)
    made.created, made.msecs = created_s, created_s % 1 * 1000
    return made


def test_a_line_has_time_level_process_and_message(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("info", "worker w1a2")
    for created_s in (1767268800.25, 1767268800.5, 1767268801.0):
        logging.getLogger("trunkline.worker").handle(record("took over entries=3", created_s))
    assert logged(capsys) == [
        "2026-01-01T12:00:00.250 INFO worker w1a2 took over entries=3",
        "2026-01-01T12:00:00.500 INFO worker w1a2 took over entries=3",
        "2026-01-01T12:00:01.000 INFO worker w1a2 took over entries=3",
    ]


def test_the_level_holds_back_what_is_below(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("warning", "w")
    logging.getLogger("chat.consumers").info("no")
    logging.getLogger("chat.consumers").warning("yes %d", 1)
    lines = logged(capsys)
    assert len(lines) == 1 and lines[0].endswith("WARNING w yes 1")


def test_a_second_setup_replaces_the_first_and_leaves_other_handlers_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = logging.NullHandler()
    logging.getLogger().addHandler(other)
    logs.setup("info", "first")
    logs.setup("info", "second")
    logging.getLogger("x").info("hello")
    lines = logged(capsys)
    assert len(lines) == 1 and lines[0].endswith("INFO second hello")
    assert other in logging.getLogger().handlers


def test_a_level_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="log level 'loud': expected debug, info, warning or error"):
        logs.setup("loud", "w")


def test_control_characters_of_a_client_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("info", "w")
    logging.getLogger("x").info("path=%s", "/a\n2026-01-01T12:00:00.000 INFO w forged\x1b[2J\u2028\u0085")
    lines = capsys.readouterr().err.split("\n")
    assert len(lines) == 2 and lines[1] == ""
    assert r"/a\n2026" in lines[0] and r"forged\x1b[2J\u2028\x85" in lines[0]


def test_a_traceback_follows_its_line_indented(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("info", "w")
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("x").exception("failed", stack_info=True)
    first, *rest = logged(capsys)
    assert first.endswith("ERROR w failed")
    assert rest and all(line.startswith("    ") for line in rest)
    assert "    ValueError: broken" in rest and "    Stack (most recent call last):" in rest


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def limited(per_s: float = 1.0) -> tuple[RateLimited, Clock]:
    clock = Clock()
    return RateLimited(logging.getLogger("trunkline.test"), per_s, clock), clock


def test_a_warning_that_repeats_is_logged_once_and_the_next_says_how_many_were_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    warnings, clock = limited()
    for number in range(5):
        warnings.warning("slow", "slow reader n=%d", number)
    clock.now_s += 1.0
    warnings.warning("slow", "slow reader n=%d", 5)
    clock.now_s += 1.0
    warnings.warning("slow", "slow reader n=%d", 6)
    assert caplog.messages == [
        "slow reader n=0",
        "slow reader n=5 (suppressed since the last such line: 4)",
        "slow reader n=6",
    ]


def test_the_rate_is_the_one_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    warnings, clock = limited(per_s=4.0)
    for _ in range(8):
        warnings.warning("a", "a")
        clock.now_s += 0.125
    assert len(caplog.messages) == 4


def test_keys_do_not_hold_each_other_back(caplog: pytest.LogCaptureFixture) -> None:
    warnings, _ = limited()
    warnings.warning("a", "one")
    warnings.warning("b", "two")
    assert caplog.messages == ["one", "two"]


def test_a_line_names_the_place_that_warned(caplog: pytest.LogCaptureFixture) -> None:
    warnings, _ = limited()
    warnings.warning("a", "one")
    assert caplog.records[0].filename == "test_logs.py"


def test_kinds_beyond_the_bound_share_one_limit(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_KEYS", 2)
    warnings, _ = limited()
    for key in ("a", "b", "c", "d"):
        warnings.warning(key, key)
    assert caplog.messages == ["a", "b", "c"]

"""Log lines as JSON."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from trunkline.protocol.process import json_logs, logs
from trunkline.protocol.process.json_logs import (
    FIELDS,
    MAX_EXCEPTION,
    MAX_MESSAGE,
    JsonFormatter,
    named_fields,
    read_line,
)


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    root.setLevel(level)


def line_of(message: str, *args: object, **more: Any) -> dict[str, Any]:
    """A record as an object."""
    record = logging.LogRecord("an.app", logging.WARNING, "x.py", 1, message, args, None)
    record.created = 1767268800.25
    record.__dict__.update(more)
    text = JsonFormatter("w1a2", "worker").format(record)
    assert "\n" not in text and text.isascii()
    found: dict[str, Any] = json.loads(text)
    del found["pid"]
    return found


def test_a_line_says_when_who_and_what() -> None:
    assert line_of("hello %s", "world") == {
        "time": "2026-01-01T12:00:00.250Z",
        "level": "WARNING",
        "logger": "an.app",
        "role": "worker",
        "process": "w1a2",
        "message": "hello world",
    }


def test_what_a_line_names_becomes_fields_and_numbers_stay_numbers() -> None:
    line = line_of(
        "failed %s connection=%s code=%d ms=%.3f error=%r 5%%", "x", "c1", 1009, 1.5, ValueError("no")
    )
    told = {key: line[key] for key in ("connection", "code", "ms", "error")}
    assert told == {"connection": "c1", "code": 1009, "ms": 1.5, "error": "ValueError('no')"}
    assert line["message"].endswith("5%")


def test_fields_do_not_take_the_place_of_what_every_line_has() -> None:
    line = line_of("process=%s time=%s level=%s role=%s", 1, 2, 3, 4)
    assert (line["process"], line["time"], line["level"], line["role"]) == (
        "w1a2", "2026-01-01T12:00:00.250Z", "WARNING", "worker"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("template", "args"),
    [("a=%s", ("x", "y")), ("a=%*d", (3, 4)), ("a=%s", {"a": 1}), (ValueError("a=%s"), ("x",)), ("", None)],
)
def test_a_line_that_cannot_be_taken_apart_has_no_fields(template: object, args: object) -> None:
    assert named_fields(template, args) == {}


@pytest.mark.parametrize(
    ("value", "shown"),
    [(float("nan"), "nan"), (float("inf"), "inf"), (None, None), (True, True), ([1], "[1]")],
)
def test_a_field_is_something_that_json_has(value: object, shown: object) -> None:
    assert named_fields("a=%s", (value,)) == {"a": shown}


def test_what_is_known_of_a_handlers_message_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_logs, "trace_ids", lambda: ("ab" * 16, "cd" * 8))
    line = line_of("hi", **{FIELDS: {"route": "r", "message_id": "c1:7"}})
    assert (line["route"], line["message_id"]) == ("r", "c1:7")
    assert (line["trace_id"], line["span_id"]) == ("ab" * 16, "cd" * 8)


def test_outside_of_a_span_there_are_no_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_logs, "trace_ids", lambda: None)
    assert "trace_id" not in line_of("hi")


def test_an_exception_is_text_and_its_end_is_kept() -> None:
    try:
        raise ValueError("x" * 2 * MAX_EXCEPTION + "the end")
    except ValueError:
        line = line_of("failed", exc_info=sys.exc_info(), stack_info="Stack (most recent call last):\n  x")
    assert line["exception"].startswith("Traceback (most recent call last):")
    assert line["exception"].endswith("the end")
    assert len(line["exception"]) <= MAX_EXCEPTION + 10
    assert line["stack"].endswith("  x")


def test_a_line_stays_below_what_its_carrier_takes_whatever_it_holds() -> None:
    record = logging.LogRecord("x", logging.INFO, "x", 1, "\U0001f600" * 3 * MAX_MESSAGE, None, None)
    record.__dict__["exc_text"] = None
    assert len(JsonFormatter("w", "worker").format(record)) < 64 * 1024


def test_the_form_is_a_matter_of_the_setup(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("info", "w1a2", "json", "worker")
    logging.getLogger("an.app").info("hi \x1b[31m\n%s", "there")
    (text,) = capsys.readouterr().err.splitlines()
    line = read_line(text)
    assert line is not None
    assert (line["role"], line["process"], line["message"]) == ("worker", "w1a2", "hi \x1b[31m\nthere")
    assert "\x1b" not in text


@pytest.mark.parametrize("text", ["", "2026-01-01 INFO x", "{", "{}", '{"message": 7}', "[1]", "{" * 100_000])
def test_another_line_is_none_of_these(text: str) -> None:
    assert read_line(text) is None

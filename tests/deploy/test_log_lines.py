"""Log lines in JSON, shown to people."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.commands import command
from trunkline.deploy.log_lines import pretty

LINE = {
    "time": "2026-01-01T12:00:00.250Z",
    "level": "INFO",
    "logger": "trunkline.worker.process",
    "role": "worker",
    "process": "w1a2",
    "pid": 42,
    "message": "took over entries=3",
    "entries": 3,
}


def test_a_line_in_json_looks_as_one_in_text_does() -> None:
    text = "[42] 2026-01-01T12:00:00.250 INFO w1a2 took over entries=3\n"
    assert pretty(f"[42] {json.dumps(LINE)}\n") == text
    assert pretty(text) == text
    assert pretty(json.dumps(LINE)) == text.removeprefix("[42] ")


def test_what_stands_beside_the_message_is_shown_behind_it() -> None:
    told = {
        **LINE,
        "message": "hi",
        "connection": "c1",
        "trace_id": "ab",
        "exception": "Traceback\n  x\nE: y",
        "stack": "s",
    }
    assert pretty(f"[42] {json.dumps(told)}\n").splitlines() == [
        "[42] 2026-01-01T12:00:00.250 INFO w1a2 hi entries=3 connection=c1 trace_id=ab",
        "    Traceback",
        "      x",
        "    E: y",
        "    s",
    ]


def test_what_a_client_sent_does_not_reach_the_terminal() -> None:
    told = {**LINE, "message": "\x1b[31m\nforged", "name": "\x9b2J", "exception": "a\x07"}
    shown = pretty(json.dumps(told))
    assert not any(ord(character) in (7, 27, 0x9B) for character in shown)
    assert shown.count("\n") == 2


def test_a_line_that_only_begins_as_json_stays_as_it_is() -> None:
    for line in ("[42] {not json\n", '[42] {"a": 1}\n', "\n", ""):
        assert pretty(line) == line


def test_logs_shows_both_forms_and_with_raw_the_lines_themselves(tmp_path: Path) -> None:
    folder = tmp_path / ".run"
    (folder / "log").mkdir(parents=True)
    text = "[41] 2026-01-01T12:00:00.000 INFO w1a1 hello"
    raw = f"[42] {json.dumps(LINE)}"
    (folder / "log" / "worker.log").write_text(f"{text}\n{raw}\n")
    shown = command("logs", "--run-dir", folder, "--role", "worker").printed.splitlines()
    assert shown == [
        f"worker     {text}",
        "worker     [42] 2026-01-01T12:00:00.250 INFO w1a2 took over entries=3",
    ]
    assert (
        command("logs", "--run-dir", folder, "--role", "worker", "--raw", "--lines", "1").printed
        == f"worker     {raw}\n"
    )

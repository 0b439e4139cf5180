"""Where circus writes what the processes print."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from trunkline.deploy import log_stream
from trunkline.deploy.log_stream import LineStream


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "worker.log"


@pytest.fixture
def stream(file: Path) -> Iterator[LineStream]:
    made = LineStream(str(file), "0", "0")
    yield made
    made.close()


def say(stream: LineStream, pid: int, data: bytes, name: str = "stderr") -> None:
    stream({"pid": pid, "name": name, "data": data})


def test_a_line_that_comes_in_pieces_is_written_whole(stream: LineStream, file: Path) -> None:
    say(stream, 1, b"one ")
    say(stream, 2, b"other\n")
    say(stream, 1, b"line\nnext\n")
    assert file.read_text() == "[2] other\n[1] one line\n[1] next\n"


def test_standard_output_and_error_of_a_process_do_not_mix(stream: LineStream, file: Path) -> None:
    say(stream, 1, b"out", "stdout")
    say(stream, 1, b"err\n")
    say(stream, 1, b"put\n", "stdout")
    assert file.read_text() == "[1] err\n[1] output\n"


def test_a_character_that_was_cut_in_two_is_written_whole(stream: LineStream, file: Path) -> None:
    for byte in "ü\n".encode():
        say(stream, 1, bytes([byte]))
    assert file.read_text() == "[1] ü\n"


def test_closing_writes_lines_that_were_not_ended_and_may_be_repeated(stream: LineStream, file: Path) -> None:
    say(stream, 1, b"the last words")
    stream.close()
    stream.close()
    assert file.read_text() == "[1] the last words\n"


def test_a_line_without_end_is_cut(stream: LineStream, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_stream, "MAX_LINE_BYTES", 4)
    say(stream, 1, b"abcdef")
    say(stream, 1, b"g\n")
    assert file.read_text() == "[1] abcdef\n[1] g\n"


def test_pieces_of_many_killed_processes_are_not_kept(
    stream: LineStream, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_stream, "MAX_PARTIAL_LINES", 2)
    for pid in (1, 2, 3):
        say(stream, pid, b"cut off")
    assert file.read_text() == "[1] cut off\n[2] cut off\n[3] cut off\n"


def test_both_outputs_share_one_file_so_that_it_is_rotated_once(file: Path) -> None:
    one = log_stream.open_stream(filename=str(file), max_bytes="40", backup_count="1")
    assert log_stream.open_stream(filename=str(file), max_bytes="40", backup_count="1") is one
    for number in range(4):
        say(one, 1, f"line {number} of some length\n".encode())
    one.close()
    assert file.read_text() == "[1] line 3 of some length\n"
    assert file.with_name("worker.log.1").read_text() == "[1] line 2 of some length\n"

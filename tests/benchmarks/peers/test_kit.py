"""Kits are made once, made anew when their recipe changes, and say in one line why they cannot be had."""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.peers import kit
from benchmarks.peers.kit import FOLDER_VARIABLE, CannotInstall, Kit, ensure, last_words, run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    ensure.cache_clear()
    yield tmp_path
    ensure.cache_clear()


def again(wanted: Kit) -> str | None:
    """As another process would."""
    ensure.cache_clear()
    return ensure(wanted)


def counting(recipe: str, made: list[str]) -> Kit:
    return Kit("some", recipe, lambda folder: made.append(recipe))


def test_a_kit_is_made_once() -> None:
    made: list[str] = []
    assert again(counting("1", made)) is None
    assert again(counting("1", made)) is None
    assert made == ["1"]


def test_a_kit_with_another_recipe_is_made_anew_in_an_empty_folder(folder: Path) -> None:
    made: list[str] = []
    assert again(counting("1", made)) is None
    (folder / "some" / "left over").touch()
    assert again(counting("2", made)) is None
    assert made == ["1", "2"]
    assert not (folder / "some" / "left over").exists()


def test_a_kit_that_cannot_be_installed_says_why_in_one_line_and_is_tried_again() -> None:
    def refuse(folder: Path) -> None:
        raise CannotInstall("there is no npm on PATH")

    made: list[str] = []
    assert again(Kit("some", "1", refuse)) == "some cannot be installed: there is no npm on PATH"
    assert again(counting("1", made)) is None
    assert made == ["1"]


def test_a_kit_that_failed_is_not_tried_twice_by_one_process() -> None:
    tries: list[Path] = []

    def refuse(folder: Path) -> None:
        tries.append(folder)
        raise CannotInstall("no")

    wanted = Kit("some", "1", refuse)
    assert ensure(wanted) == ensure(wanted)
    assert len(tries) == 1


def test_no_other_process_makes_a_kit_meanwhile(folder: Path) -> None:
    def install(made: Path) -> None:
        with (folder / "some.lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    assert ensure(Kit("some", "1", install)) is None


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotInstall, match=r"^there is no no-such-program on PATH$"):
        run(tmp_path, ["no-such-program", "install"])


def test_a_step_that_fails_says_its_last_words_and_leaves_a_log(tmp_path: Path) -> None:
    script = "import sys; print('first'); sys.exit('no matching version\\n')"
    with pytest.raises(CannotInstall, match=r"ended with 1: no matching version$"):
        run(tmp_path, [sys.executable, "-c", script])
    assert "first" in (tmp_path / "install.log").read_text()


def test_a_step_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "INSTALL_WITHIN_S", 0.05)
    with pytest.raises(CannotInstall, match=r"took more than 0.05 s"):
        run(tmp_path, [sys.executable, "-c", "import signal; signal.pause()"])


def test_a_step_gives_what_it_printed(tmp_path: Path) -> None:
    script = "import os; print(os.environ['COLOUR'])"
    assert run(tmp_path, [sys.executable, "-c", script], {"COLOUR": "red"}) == "red\n"


@pytest.mark.parametrize(
    ("text", "last"), [("a\nb \n\n", "b"), ("", "it said nothing"), (" \n", "it said nothing")]
)
def test_last_words_are_the_last_line_that_says_something(text: str, last: str) -> None:
    assert last_words(text) == last

"""Which code a worker runs: the file that says it, and what a process does about it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from trunkline.deploy.release import VARIABLE, Release
from trunkline.protocol.errors import ConfigError


def test_a_release_is_read_as_it_was_saved(tmp_path: Path) -> None:
    release = Release("/srv/shop", "shop.routing", "v2", "canary-1", 17.5)
    file = tmp_path / "releases" / "worker.json"
    release.save(file)

    assert Release.load(file) == release
    assert Release.of({VARIABLE: str(file)}) == release
    assert [path.name for path in file.parent.iterdir()] == ["worker.json"]


def test_without_a_file_or_a_variable_there_is_none(tmp_path: Path) -> None:
    assert Release.load(tmp_path / "canary.json") is None
    assert Release.of({}) is None


@pytest.mark.parametrize("text", ["", "[]", '{"code": "/srv"}', '{"code": "/srv", "module": "a", "more": 1}'])
def test_a_file_that_cannot_be_read_says_what_to_do(tmp_path: Path, text: str) -> None:
    file = tmp_path / "worker.json"
    file.write_text(text)

    with pytest.raises(ConfigError, match=r"worker.json cannot be read .*'trunkline down' and 'up'"):
        Release.load(file)


def test_a_process_enters_the_directory_and_finds_modules_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    monkeypatch.chdir(old)
    monkeypatch.setattr(sys, "path", [str(old), "/usr/lib"])
    environ = {"TRUNKLINE_CODE_VERSION": "v1"}

    arguments = Release(str(new), "shop.routing", "v2", "canary-1", 1.0).enter(environ)

    assert arguments == ["shop.routing", "--code-version=v2", "--track=canary-1"]
    assert Path.cwd() == new
    assert sys.path == ["/usr/lib"]
    assert environ == {}


def test_relative_entries_of_pythonpath_mean_the_directory_that_is_entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    monkeypatch.chdir(old)
    monkeypatch.setattr(sys, "path", [str(old), str(old / "src"), "/opt/lib", str(old)])

    Release(str(new), "shop.routing").enter({"PYTHONPATH": "src:/opt/lib:"})

    assert sys.path == [str(new / "src"), "/opt/lib"]


def test_what_up_was_started_with_keeps_its_version_and_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    environ = {"TRUNKLINE_CODE_VERSION": "v1"}

    assert Release(str(tmp_path), "shop.routing").enter(environ) == ["shop.routing"]
    assert (environ, sys.path) == ({"TRUNKLINE_CODE_VERSION": "v1"}, [str(tmp_path)])


def test_a_directory_that_has_gone_is_named(tmp_path: Path) -> None:
    gone = tmp_path / "gone"

    with pytest.raises(
        ConfigError, match=f"{gone} cannot be entered: No such file or directory; 'trunkline deploy"
    ):
        Release(str(gone), "shop.routing").enter({})

"""Which version of the application's code a worker names."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from trunkline.worker.code_version import code_version

Git = Callable[..., None]


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of an imported module ``an_app.routing``."""
    file = tmp_path / "an_app" / "routing.py"
    file.parent.mkdir()
    file.write_text("channel_routing = []\n")
    module = ModuleType("an_app.routing")
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, "an_app.routing", module)
    # Whatever repository the tests' own temporary files may lie in.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return file


@pytest.fixture
def git(app: Path) -> Git:
    def run(*arguments: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *who, *arguments], cwd=app.parent, check=True, capture_output=True)

    try:
        run("init", "-q")
    except FileNotFoundError:
        pytest.skip("there is no git here")
    return run


def test_what_the_deployment_says_wins(git: Git) -> None:
    assert code_version("build 7", "an_app.routing") == "build 7"


def test_the_commit_is_named_and_whether_files_differ_from_it(app: Path, git: Git) -> None:
    git("add", "routing.py")
    git("commit", "-q", "-m", "first")
    git("tag", "v1.0")
    assert code_version("", "an_app.routing") == "v1.0"
    assert code_version("", "an_app.routing.channel_routing") == "v1.0"
    app.write_text("channel_routing = [1]\n")
    assert code_version("", "an_app.routing") == "v1.0-dirty"


def test_a_file_that_git_does_not_know_has_no_version(app: Path, git: Git) -> None:
    (app.parent / "other").write_text("")
    git("add", "other")
    git("commit", "-q", "-m", "the application is installed in an ignored folder")
    assert code_version("", "an_app.routing") == ""


def test_without_a_repository_or_git_or_a_file_nobody_knows(
    app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert code_version("", "an_app.routing") == ""
    assert code_version("", "no_such.module") == ""
    monkeypatch.setenv("PATH", str(app.parent))
    assert code_version("", "an_app.routing") == ""

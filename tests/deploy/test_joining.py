"""``trunkline worker`` beside a running cluster joins it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy.states import a_state
from trunkline.deploy.joining import joined
from trunkline.deploy.rundir import RunDir

URL = "unix:///nowhere/redis.sock"


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    made = RunDir(tmp_path / ".run")
    made.make()
    made.save(a_state(routing="chat.routing", layer={"redis_url": URL, "prefix": "p"}))
    return made.path


def test_it_takes_the_routing_and_the_redis_of_the_cluster(run_dir: Path) -> None:
    environ: dict[str, str] = {}
    assert joined([], environ, run_dir) == ["chat.routing"]
    assert environ == {"TRUNKLINE_REDIS_URL": URL, "TRUNKLINE_PREFIX": "p"}


def test_a_routing_of_its_own_is_kept(run_dir: Path) -> None:
    assert joined(["other.routing", "--threads", "4"], {}, run_dir) == ["other.routing", "--threads", "4"]


@pytest.mark.parametrize("flags", [["--redis-url", "redis://host"], ["--redis-url=redis://host"], ["--help"]])
def test_a_worker_that_is_told_of_another_redis_does_not_join(run_dir: Path, flags: list[str]) -> None:
    environ: dict[str, str] = {}
    assert joined(["chat.routing", *flags], environ, run_dir) == ["chat.routing", *flags]
    assert environ == {}


def test_a_worker_whose_environment_names_a_redis_does_not_join(run_dir: Path) -> None:
    environ = {"TRUNKLINE_REDIS_URL": "redis://host"}
    assert joined(["chat.routing"], environ, run_dir) == ["chat.routing"]
    assert environ == {"TRUNKLINE_REDIS_URL": "redis://host"}


def test_without_a_cluster_redis_url_of_the_environment_counts(tmp_path: Path) -> None:
    environ = {"REDIS_URL": "redis://host"}
    joined(["chat.routing"], environ, tmp_path / ".run")
    assert environ["TRUNKLINE_REDIS_URL"] == "redis://host"


def test_without_a_cluster_and_a_module_it_says_what_to_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert joined([], {}, tmp_path / ".run") == []
    assert "'make up'" in capsys.readouterr().err


def test_without_a_cluster_and_a_redis_nothing_is_changed(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    assert joined(["chat.routing"], environ, tmp_path / ".run") == ["chat.routing"]
    assert environ == {}

"""What is installed is pinned, and a missing tool is one clear line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.peers.kit import CannotInstall, Kit
from benchmarks.peers.kits import (
    APPS,
    HERE,
    debian_command,
    debian_kit,
    debian_versions,
    go_kit,
    node_kit,
    node_versions,
    pinned_versions,
    python_versions,
)

REQUIREMENTS = sorted(HERE.glob("requirements-*.txt"))


@pytest.mark.parametrize("file", REQUIREMENTS, ids=lambda file: file.name)
def test_every_requirement_is_one_exact_version(file: Path) -> None:
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    assert lines and len(pinned_versions(file.read_text())) == len(lines)


def test_every_node_package_is_one_exact_version() -> None:
    versions = json.loads((APPS / "package.json").read_text())["dependencies"].values()
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)


def test_versions_are_those_of_the_pins() -> None:
    assert set(python_versions("channels", "channels", "daphne")) == {"channels", "daphne"}
    assert set(node_versions("socket.io")) == {"socket.io"}
    with pytest.raises(KeyError):
        python_versions("channels", "flask")


def test_another_version_is_another_recipe() -> None:
    assert (
        go_kit("some", "example.org/some", "v1.0.0").recipe
        != go_kit("some", "example.org/some", "v1.0.1").recipe
    )


@pytest.mark.parametrize(
    ("kit", "program"),
    [
        (go_kit("some", "example.org/some", "v1.0.0"), "go"),
        (node_kit("some"), "npm"),
        (debian_kit("some", ["nginx"]), "apt-get"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_without_its_tool_a_kit_says_which_one_is_missing(
    kit: Kit, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotInstall, match=f"^there is no {program} on PATH$"):
        kit.install(tmp_path)


def test_an_unpacked_program_runs_with_the_libraries_that_came_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_PEERS_DIR", str(tmp_path))
    kit = debian_kit("some", ["nginx"])
    libraries = kit.folder / "root/usr/lib/x86_64-linux-gnu"
    libraries.mkdir(parents=True)
    program = str(kit.folder / "root/usr/sbin/nginx")
    assert debian_command(kit, "usr/sbin/nginx", "-t") == [
        "/usr/bin/env",
        f"LD_LIBRARY_PATH={libraries}",
        program,
        "-t",
    ]


def test_an_unpacked_program_has_the_version_of_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_PEERS_DIR", str(tmp_path))
    kit = debian_kit("some", ["nginx"])
    kit.folder.mkdir()
    (kit.folder / "versions").write_text("nginx\t1.22.1-9\nzlib1g\t1:1.2\n")
    assert debian_versions(kit, "nginx") == {"nginx": "1.22.1-9"}

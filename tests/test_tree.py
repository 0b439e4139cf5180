"""The shape of the repository: one namespace in four portions, imports one way, Lua that says what it takes."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PORTIONS = [ROOT / tier / "trunkline" / tier for tier in ("protocol", "interface", "worker", "deploy")]
PACKAGES = sorted(init.parent for portion in PORTIONS for init in portion.rglob("__init__.py"))
MODULES = sorted(module for portion in PORTIONS for module in portion.rglob("*.py"))
SCRIPTS = sorted(script for portion in PORTIONS for script in portion.rglob("*.lua"))
REDIS_LAYER = PORTIONS[0] / "redis_layer"


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_namespace_has_no_init_anywhere() -> None:
    assert [
        name(portion.parent / "__init__.py")
        for portion in PORTIONS
        if (portion.parent / "__init__.py").exists()
    ] == []
    assert {
        child.name
        for portion in PORTIONS
        for child in portion.parent.iterdir()
        if child.name != "__pycache__"
    } == {portion.name for portion in PORTIONS}


@pytest.mark.parametrize("portion", PORTIONS, ids=name)
def test_each_portion_says_that_it_is_typed(portion: Path) -> None:
    assert (portion / "py.typed").is_file()


@pytest.mark.parametrize("package", PACKAGES, ids=name)
def test_everything_a_package_offers_is_there_once(package: Path) -> None:
    dotted = ".".join(package.relative_to(ROOT).parts[1:])
    module = importlib.import_module(dotted)
    offered = list(getattr(module, "__all__", ()))
    assert [item for item in offered if not hasattr(module, item)] == []
    assert len(set(offered)) == len(offered)


def imported(module: Path) -> set[str]:
    """First parts of the absolute imports of a module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_only_the_redis_layer_imports_redis() -> None:
    users = [name(module) for module in MODULES if {"redis", "hiredis"} & imported(module)]
    assert users and all(user.startswith(name(REDIS_LAYER)) for user in users)


def test_imports_between_the_tiers_go_one_way() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stdout + done.stderr


def header_and_body(script: Path) -> tuple[str, str]:
    lines = script.read_text().splitlines()
    end = next((at for at, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return "\n".join(lines[:end]), "\n".join(line.split("--")[0] for line in lines[end:])


def explained(kind: str, header: str) -> set[int]:
    """The numbers a header explains: KEYS[1], KEYS[1..5]; an open end, KEYS[2..n], explains all from there."""
    numbers: set[int] = set()
    for first, last in re.findall(rf"{kind}\[(\d+)(?:\.\.([\w+]+))?\]", header):
        numbers |= set(range(int(first), (int(last) if last.isdecimal() else 99 if last else int(first)) + 1))
    return numbers


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_begins_with_what_it_does_and_every_key_and_argument(script: Path) -> None:
    header, body = header_and_body(script)
    assert header.startswith("-- ") and "ARGV[" in header and re.search(r"^-- KEYS\b", header, re.M)
    for kind in ("KEYS", "ARGV"):
        used = {int(number) for number in re.findall(rf"{kind}\[(\d+)\]", body)}
        assert used <= explained(kind, header), (
            f"{kind} {sorted(used - explained(kind, header))} not in the header"
        )


def test_there_are_scripts_to_check() -> None:
    assert len(SCRIPTS) >= 3 and len(MODULES) >= 20

"""The list of compiled modules is what the wheel has."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.commands import ROOT, environment
from tests.support.compiled import COMPILED

HOOK = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
    "hooks"
]["custom"]
FILES: list[str] = HOOK["modules"]
MODULES = [".".join(Path(file).with_suffix("").parts[1:]) for file in FILES]


def test_the_list_names_files_in_their_order_each_once() -> None:
    assert sorted({*FILES}) == FILES
    assert [file for file in FILES if not (ROOT / file).is_file()] == []


@pytest.mark.compiled
@pytest.mark.parametrize("module", MODULES)
def test_each_is_an_extension_of_this_environment(module: str) -> None:
    file = Path(str(importlib.import_module(module).__file__))
    assert COMPILED
    assert file.suffix == ".so"
    assert file.is_relative_to(sys.prefix)


@pytest.mark.compiled
@pytest.mark.parametrize("module", MODULES)
def test_no_class_is_smaller_than_what_it_inherits_from(module: str) -> None:
    """As one was that mypyc made of `threading.local`: all threads shared its field."""
    for thing in vars(importlib.import_module(module)).values():
        if isinstance(thing, type):
            assert thing.__basicsize__ >= max(base.__basicsize__ for base in thing.__mro__), thing


@pytest.mark.compiled
def test_what_handlers_call_is_not() -> None:
    for module in ("trunkline.worker.channels", "trunkline.worker.message"):
        assert str(importlib.import_module(module).__file__).endswith(".py")


@pytest.mark.compiled
def test_without_a_compiler_the_wheel_is_not_made_and_says_what_is_missing(tmp_path: Path) -> None:
    text = f"""
import sys
sys.path.insert(0, "deploy")
from pathlib import Path
from compiled import compile_all
compile_all({FILES[-1:]!r}, Path({str(tmp_path)!r}))
"""
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=ROOT,
        env={**environment(), "CC": str(tmp_path / "no-compiler")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1
    assert "apt-get install gcc python3-dev" in done.stderr
    assert "Traceback" not in done.stderr

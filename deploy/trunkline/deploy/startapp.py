"""``trunkline startapp NAME``: a package to begin with, which runs at once under ``trunkline dev``."""

from __future__ import annotations

import importlib.util
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from trunkline.protocol.exit_codes import ExitCode

from .failures import refuse
from .settings import StartappSettings

TEMPLATE_END = ".template"
"""So that nobody's tools take the templates for code; ``$name`` in them becomes the package's name."""


def run(settings: StartappSettings) -> int:
    """Makes the package in the current directory."""
    name = settings.name
    target = Path(name)
    refusal = _refusal(name, target)
    if refusal:
        return refuse("startapp", refusal, ExitCode.USAGE)
    for path, text in rendered(name).items():
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        print(f"made {file}")
    print("next:")
    print(f"  trunkline dev {name}.routing        then open http://127.0.0.1:8000/ in two windows")
    print(f"  python -m pytest {name}             its test, in memory")
    print(f"  trunkline up {name}.routing         the same code as a cluster")
    return ExitCode.OK


def _refusal(name: str, target: Path) -> str:
    if target.exists():
        return f"{target} exists already; choose another name"
    if importlib.util.find_spec(name) is not None:
        return f"{name!r} is the name of a module that is installed, which yours would hide; choose another"
    return ""


def rendered(name: str) -> dict[str, str]:
    """Path within the package to text of each file."""
    root = files("trunkline.deploy") / "templates"
    return {
        path.replace("NAME", name): Template(text).substitute(name=name)
        for path, text in _templates(root, "")
    }


def _templates(folder: Traversable, prefix: str) -> list[tuple[str, str]]:
    found = []
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            found += _templates(item, f"{prefix}{item.name}/")
        elif item.name.endswith(TEMPLATE_END):
            found.append((prefix + item.name.removesuffix(TEMPLATE_END), item.read_text(encoding="utf-8")))
    return found

"""Reads ``docs/tutorial.md``: the code of each step, as a reader would have typed it by then."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "tutorial.md"

_STEP = re.compile(r"^## (\d+)\. (.+)$", re.MULTILINE)
_BLOCK = re.compile(
    r'^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<code>.*?)^```$', re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered section.

    Attributes:
        number: as in its heading.
        files: path to code, the files of earlier steps included.
        snippets: JavaScript for the browser's console.
        commands: lines typed into a terminal, without the prompt.
    """

    number: int
    files: dict[str, str]
    snippets: list[str]
    commands: list[str]

    def write(self, folder: Path) -> None:
        """Writes the files, each package with its ``__init__.py`` as the tutorial has one make it."""
        for title, code in self.files.items():
            file = folder / title
            file.parent.mkdir(parents=True, exist_ok=True)
            (file.parent / "__init__.py").touch()
            file.write_text(code)


def _forget() -> None:
    for name in [name for name in sys.modules if name == "chat" or name.startswith("chat.")]:
        del sys.modules[name]


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Lets ``chat`` be imported from a folder, and nothing of it be left in this process afterwards."""
    _forget()
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        _forget()


def read_steps(text: str) -> dict[int, Step]:
    """Every numbered section of a document, by number."""
    steps: dict[int, Step] = {}
    files: dict[str, str] = {}
    headings = list(_STEP.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    for heading, end in zip(headings, ends, strict=True):
        snippets: list[str] = []
        commands: list[str] = []
        for block in _BLOCK.finditer(text, heading.end(), end):
            language, title, code = block["language"], block["title"], block["code"]
            if title:
                files = {**files, title: code}
            elif language == "js":
                snippets.append(code)
            elif language == "console":
                commands += [line[2:] for line in code.splitlines() if line.startswith("$ ")]
        number = int(heading[1])
        steps[number] = Step(number, files, snippets, commands)
    return steps

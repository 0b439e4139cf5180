"""Reads deploy/Dockerfile, as far as a test needs it: stages, and their instructions with lines joined."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its word in capitals and the rest of its (joined) line."""

    word: str
    rest: str

    def words(self) -> list[str]:
        """The rest, as a shell would split it."""
        return shlex.split(self.rest)


@dataclass(slots=True)
class Stage:
    """What stands behind one FROM."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, word: str) -> list[Instruction]:
        """Its instructions of a kind."""
        return [instruction for instruction in self.instructions if instruction.word == word]

    def one(self, word: str) -> str:
        """The rest of the only instruction of a kind."""
        (found,) = self.all(word)
        return found.rest

    def exec_form(self, word: str) -> list[str]:
        """The words of an instruction that is written as a JSON list, so that no shell stands between."""
        words = json.loads(self.one(word).partition("CMD ")[2] or self.one(word))
        assert isinstance(words, list)
        return [str(item) for item in words]

    def pairs(self, word: str) -> dict[str, str]:
        """All ``NAME=value`` of ENV or LABEL."""
        return dict(
            (name, value)
            for instruction in self.all(word)
            for name, _, value in (item.partition("=") for item in instruction.words())
        )


def read(path: Path) -> list[Stage]:
    """The stages in their order."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE)
    stages: list[Stage] = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(base, name))
        elif word and stages:
            stages[-1].instructions.append(Instruction(word, rest.strip()))
    return stages

"""What documents name exists: verbs, flags, variables, metrics, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.redis_memory import MemorySettings
from benchmarks.settings import BenchSettings
from benchmarks.shards import ShardsSettings
from benchmarks.standing import StandingSettings
from tests.docs.reference import METRICS, VERBS, sample_names
from tests.faults.rows import anchor
from trunkline.deploy import cli, dead
from trunkline.protocol.settings import Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "DESIGN.md",
    "SECURITY.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")),
    "protocol/README.md",
    "benchmarks/README.md",
    "benchmarks/RESULTS.md",
]
MAKE_VERBS = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
SETTINGS: list[type[Settings]] = [
    BenchSettings,
    MemorySettings,
    ShardsSettings,
    StandingSettings,
    *(declared for declared, _ in VERBS.values()),
]
FLAGS = {f"--{name.replace('_', '-')}" for declared in SETTINGS for name in declared.model_fields}
VARIABLES = {f"TRUNKLINE_{name.upper()}" for declared, _ in VERBS.values() for name in declared.model_fields}
OF_TESTS = {"TRUNKLINE_TEST_REDIS_SERVER", "TRUNKLINE_TEST_TOPOLOGY"}
SHORTCUTS = {"--all", "--json", "--help", "--version"}


def typed(command: str, text: str) -> set[str]:
    """The verbs of a command in a document's blocks of code."""
    blocks = "\n".join(re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL))
    return set(re.findall(rf"^(?:\$ )?{command} ([a-z-]+)", blocks, re.MULTILINE))


@pytest.fixture(params=DOCUMENTS)
def text(request: pytest.FixtureRequest) -> str:
    return (ROOT / str(request.param)).read_text()


def test_the_verbs_of_make_are_in_the_makefile(text: str) -> None:
    named = set(re.findall(r"`make ([a-z]+)", text)) | typed("make", text)
    assert named <= MAKE_VERBS


def test_the_verbs_of_the_command_are_in_its_table(text: str) -> None:
    named = set(re.findall(r"`trunkline ([a-z][a-z-]*)", text)) | typed(r"(?:\.venv/bin/)?trunkline", text)
    assert named <= cli.VERBS.keys()
    assert set(re.findall(r"trunkline dead ([a-z]+)`", text)) <= dead.VERBS.keys()


def test_its_flags_and_variables_are_settings(text: str) -> None:
    named = {flag.replace("--no-", "--", 1) for flag in re.findall(r"`(--[a-z][a-z-]*)", text)}
    assert named <= FLAGS | SHORTCUTS
    assert set(re.findall(r"`(TRUNKLINE_[A-Z_]*[A-Z])", text)) <= VARIABLES | OF_TESTS


def test_its_metrics_are_told_by_some_process(text: str) -> None:
    told = {name for make in METRICS.values() for family in make().collect() for name in sample_names(family)}
    assert set(re.findall(r"\b(trunkline_[a-z_]+[a-z])\b", text)) <= told


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_files_it_links_to_are_there(document: str) -> None:
    assert [link for link, target, _ in links(document) if not target.exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_headings_it_links_to_are_there(document: str) -> None:
    missing = [
        link
        for link, target, part in links(document)
        if part and part not in {anchor(heading) for heading in headings(target)}
    ]
    assert missing == []


def links(document: str) -> list[tuple[str, Path, str]]:
    """Each link of a document into the repository: as it stands there, to which file, to which heading of it."""
    here = ROOT / document
    found = re.findall(r"\]\(((?!https?:)([^)#\s]*)(?:#([^)\s]+))?)\)", here.read_text())
    return [(link, here.parent / path if path else here, part) for link, path, part in found]


def headings(document: Path) -> list[str]:
    """The headings of a document."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^#+ (.+)$", text, re.MULTILINE)

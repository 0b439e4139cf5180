"""The locks beside requirements.lock: the same versions, no more than is needed, and no less."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.commands import ROOT

Pins = dict[str, tuple[str, frozenset[str]]]


def pins(name: str) -> Pins:
    """Package to its version and hashes, as a lock has them."""
    text = (ROOT / name).read_text()
    found = re.findall(
        r"^([a-z0-9][\w.\-]*)(?:\[.*?\])?==(\S+)(.*?)(?=^[a-z0-9]|\Z)", text, re.MULTILINE | re.DOTALL
    )
    return {
        package: (version, frozenset(re.findall(r"--hash=(\S+)", rest))) for package, version, rest in found
    }


def needed_by(name: str, extra: str = "") -> set[str]:
    """What a distribution needs in the end, itself included, where it is installed."""
    known: set[tuple[str, str]] = set()

    def visit(package: str, extra: str) -> None:
        if (package, extra) in known:
            return
        try:
            requires = distribution(package).requires or []
        except PackageNotFoundError:
            return
        known.add((package, extra))
        for requirement in map(Requirement, requires):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                for inner in requirement.extras or {""}:
                    visit(canonicalize_name(requirement.name), inner)
                    visit(canonicalize_name(requirement.name), "")

    visit(name, extra)
    visit(name, "")
    return {package for package, _ in known}


@pytest.mark.parametrize("lock", ["deploy/runtime.lock", "deploy/build.lock"])
def test_the_image_has_the_versions_that_the_tests_ran_on(lock: str) -> None:
    tested = pins("requirements.lock")
    assert {name: pin for name, pin in pins(lock).items() if tested.get(name) != pin} == {}


def test_the_image_has_all_that_trunkline_needs_and_nothing_else() -> None:
    locked = set(pins("deploy/runtime.lock"))
    needed = needed_by("trunkline", "otel") - {"trunkline"}
    assert needed <= locked
    # What other systems or Pythons need is locked too; it is not installed here, so it cannot be in the other set.
    assert locked - needed <= {"async-timeout", "cffi", "pycparser", "uvloop"} | not_here(locked)


def not_here(names: set[str]) -> set[str]:
    gone = set()
    for name in names:
        try:
            distribution(name)
        except PackageNotFoundError:
            gone.add(name)
    return gone


def test_the_wheel_is_built_by_what_the_project_names() -> None:
    assert needed_by("hatchling") <= set(pins("deploy/build.lock"))


@pytest.mark.parametrize("lock", ["deploy/runtime.lock", "deploy/build.lock", "deploy/tools.lock"])
def test_a_lock_names_no_registry_and_has_hashes_for_everything(lock: str) -> None:
    assert "://" not in (ROOT / lock).read_text()
    assert pins(lock)
    assert all(hashes for _, hashes in pins(lock).values())

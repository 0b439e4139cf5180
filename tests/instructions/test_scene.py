"""The paths by themselves, without counting: each lap checks that its messages came out as they should."""

from __future__ import annotations

import subprocess

import pytest

from tests.instructions.callgrind import ROOT, environment, scene
from tests.instructions.count import TIERS
from tests.instructions.reference import REFERENCE


@pytest.mark.parametrize("tier", TIERS)
def test_every_lap_of_a_tier_does_its_work(tier: str) -> None:
    done = subprocess.run(
        scene(tier), env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{REFERENCE.name} ") and len(done.stdout.splitlines()) > 3

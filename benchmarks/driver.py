"""Runs a generator: a spec in, a report out."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

from .findings import Report
from .processes import ROOT, clean_environment, pinned
from .spec import Spec

SPARE_S: Final = 150.0
"""For connecting and closing, 50,000 connections too. A generator that takes so much longer than its load hangs."""


class GeneratorFailed(RuntimeError):
    """The generator ended without a report; the text has its last words."""


def generate(spec: Spec, core: int | None) -> Report:
    """Runs a generator.

    Args:
        spec: the run.
        core: where it runs.

    Raises:
        GeneratorFailed: there is no report.
    """
    with pinned(core):
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.generator"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=clean_environment(),
        )
    limit_s = 2 * (spec.warm_up_s + spec.seconds) + spec.trace_s + SPARE_S
    try:
        answer, errors = process.communicate(spec.encode(), timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise GeneratorFailed(f"the generator hangs, {spec.kind} at {spec.target.path}") from None
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        last = "\n".join(errors.strip().splitlines()[-3:])
        raise GeneratorFailed(f"the generator ended with {process.returncode}:\n{last}")
    return Report.decode(answer)

"""What the suites of this folder have counted, behind their names."""

from __future__ import annotations

from typing import Any

from tests.faults import report
from tests.faults.conftest import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints it."""
    properties = [
        item
        for outcome in ("passed", "failed")
        for made in terminalreporter.stats.get(outcome, ())
        for item in made.user_properties
    ]
    suites = sorted(str(value) for name, value in properties if name == "suite")
    cases = sorted((value for name, value in properties if name == "fault_case"), key=lambda row: row["case"])
    for title, lines in (("suites", suites), ("faults", report.table(cases) if cases else [])):
        if lines:
            terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)

"""How much is explored: little with ``make model``, as CI does, and much with ``make model LONG=1``."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine

LONG: Final = os.environ.get("TRUNKLINE_MODEL") == "long"

LIMIT_S: Final = 900 if LONG else 300
"""For one machine, with the shrinking of what it finds."""


def explore(examples: int, steps: int = 40, times: int = 10) -> settings:
    """How a machine is explored.

    Args:
        examples: histories in a short run.
        steps: of a history at most.
        times: as many more in a long run.
    """
    return settings(
        max_examples=examples * times if LONG else examples,
        stateful_step_count=steps,
        deadline=None,
        print_blob=True,  # what replays a failure elsewhere: @reproduce_failure
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


def search(examples: int, steps: int = 30) -> settings:
    """How a history is looked for that must be there: always from the same seed, and without making it short."""
    return settings(
        explore(examples, steps, times=1),
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        print_blob=False,
    )


def case(machine: type[RuleBasedStateMachine], how: settings) -> type:
    """The test case of a machine, for pytest to collect."""
    found: type = machine.TestCase
    found.settings = how  # type: ignore[attr-defined]
    return found

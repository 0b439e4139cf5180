"""How long each property is tried: a hundred examples, or as long as ``--fuzz-seconds`` says.

``make fuzz SECONDS=600`` gives every property its share of the time, with new seeds until it is over. What fails is
shown smallest, with the seed, and is kept in ``.hypothesis`` to be tried first the next time.
"""

from __future__ import annotations

import random
import time
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

ROUND_EXAMPLES = 200
"""With one seed; the clock is looked at between the rounds."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Known only where this folder is named on the command line, as `make fuzz` does."""
    parser.addoption("--fuzz-seconds", type=float, default=0.0, help="seconds for all properties together")
    parser.addoption("--fuzz-seed", type=int, default=0, help="first seed; 0 for a random one")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what is in this folder."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.fuzz)


def _seconds(config: pytest.Config) -> float:
    return float(config.getoption("--fuzz-seconds", default=0.0) or 0.0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Runs a property over and over with other seeds, for its share of the time."""
    seconds = _seconds(item.config)
    test = getattr(item, "obj", None)
    if not seconds or test is None or not hypothesis.is_hypothesis_test(test):
        yield
        return
    seed = item.config.getoption("--fuzz-seed") or random.SystemRandom().randrange(1, 2**32)
    share_s = seconds / max(
        1, sum(hypothesis.is_hypothesis_test(getattr(one, "obj", None)) for one in item.session.items)
    )
    until_s = time.monotonic() + share_s
    settings = hypothesis.settings(
        max_examples=ROUND_EXAMPLES, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    test._hypothesis_internal_use_settings = settings
    rounds = 0
    # The last round is the one that pytest itself runs.
    while rounds == 0 or time.monotonic() < until_s:
        if rounds:
            item.runtest()
        hypothesis.seed(seed + rounds)(test)
        rounds += 1
    item.add_report_section(
        "call", "fuzz", f"seeds {seed} to {seed + rounds - 1}, {ROUND_EXAMPLES} examples each"
    )
    yield

"""What is kept in Redis is weighed on a real cluster: whether it works, never how much it is."""

from __future__ import annotations

import pytest

from benchmarks.redis_memory import NAMES, SIZES, Row, main, shown, written
from benchmarks.store import missing_store

PLACE = "before\n<!-- redis memory -->\nold\n<!-- end -->\nbehind\n"


def test_the_table_goes_into_its_place_and_nothing_else_changes() -> None:
    text = written(PLACE, [Row("a thing", 100, 1234.5)], 5000, "6.2.14")
    assert text.startswith("before\n<!-- redis memory -->\nMade by `python -m benchmarks.redis_memory")
    assert "5,000 of each, Redis 6.2.14.\n\n" in text
    assert "| a thing | 1,234 | 1,134 |\n<!-- end -->\nbehind\n" in text
    assert "old" not in text
    assert written(text, [Row("a thing", 100, 1234.5)], 5000, "6.2.14") == text


def test_a_document_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one '<!-- redis memory -->'"):
        written("nothing", [], 1, "")


def test_a_row_says_what_is_not_the_applications_own() -> None:
    assert shown([Row("a thing", 0, 150.4)]).splitlines()[-1] == "| a thing | 150 | 150 |"


@pytest.mark.timeout(600)
def test_every_row_is_weighed(capsys: pytest.CaptureFixture[str]) -> None:
    if reason := missing_store():
        pytest.fail(reason, pytrace=False)
    assert main(["--connections", "30"]) == 0
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert tuple(line[0].removeprefix("| ") for line in lines) == NAMES
    taken = dict(zip(NAMES, (float(line[1].replace(",", "")) for line in lines), strict=True))
    assert min(taken.values()) > 0
    for size in SIZES:
        assert size < taken[f"message of {size:,} bytes that waits for a worker"] < 2 * size + 1000
    assert taken["the same with a session of 1,000 bytes"] > 1000

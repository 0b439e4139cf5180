"""The report shows every count, and the faults in words."""

from __future__ import annotations

from tests.faults.soak.books import Books
from tests.faults.soak.memory import Growth
from tests.faults.soak.report import Minute, line, table


def books_with_a_fault() -> Books:
    books = Books()
    books.totals["frames"] = 12
    books.fault("lost", "c1-1 heard reply 2 and expected 1, of 3")
    return books


def test_a_minute_is_one_line() -> None:
    said = line(Minute(120.0, 80, 9, [0.001, 0.004, 2.5]), books_with_a_fault())

    assert said == (
        "  2.0 min  9 faults injected, 80 connections in the books, 12 frames, replies in 4 ms, longest 2.5 s: lost 1"
    )


def test_a_minute_without_replies_and_faults_says_so() -> None:
    assert line(Minute(60.0, 0, 0, []), Books()).endswith("replies in none: no fault")


def test_the_table_has_zeros_where_nothing_was_wrong_and_words_where_something_was() -> None:
    growths = [Growth("worker-1", 90, 50e6, 9e6, False, [45e6, 55e6])]

    shown = table(books_with_a_fault(), {"worker kill": 3}, {"ended": {}}, growths).splitlines()

    assert "  worker kill                     3" in shown
    assert "  lost                            1" in shown
    assert "  doubled                         0" in shown
    assert any(row.startswith("  worker-1") and row.endswith("GROWS") for row in shown)
    assert shown[-1] == "lost: c1-1 heard reply 2 and expected 1, of 3"

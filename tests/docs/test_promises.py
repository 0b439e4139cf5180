"""What the documents promise is what the fault suite shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.promises import LEGEND, ROWS, cases_of, table
from tests.faults.cases import CASES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("document", ["DESIGN.md", "README.md"])
def test_the_table_of_promises_is_what_the_cases_show(document: str) -> None:
    text = (ROOT / document).read_text()
    assert table() in text, "put in what 'python -m tests.docs.promises' prints"
    assert " ".join(LEGEND.split()) in " ".join(text.split())


@pytest.mark.parametrize("title", ROWS)
def test_every_row_has_a_case(title: str) -> None:
    assert cases_of(ROWS[title])


def test_every_case_stands_in_one_row() -> None:
    rows = {
        case.name: [title for title, found in ROWS.items() if re.match(found, case.name)] for case in CASES
    }
    assert [name for name, titles in rows.items() if len(titles) != 1] == []


def test_the_kept_matrix_has_every_case() -> None:
    kept = (ROOT / "docs" / "faults.md").read_text()
    assert [case.name for case in CASES if f"| {case.name} |" not in kept] == []

"""What the documents promise is what the fault suite shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.promises import LEGEND, table
from tests.faults.cases import CASES
from tests.faults.rows import ROWS, anchor, cases_of, row_of

ROOT = Path(__file__).parents[2]
KEPT = (ROOT / "docs" / "faults.md").read_text()


def section(title: str) -> str:
    """What stands in the kept matrix under the heading that a row links to."""
    parts = re.split(r"^## (.*)$", KEPT, flags=re.MULTILINE)
    texts = dict(zip(map(anchor, parts[1::2]), parts[2::2], strict=True))
    return texts[anchor(title)]


@pytest.mark.parametrize("document", ["DESIGN.md", "README.md"])
def test_the_table_of_promises_is_what_the_cases_show(document: str) -> None:
    text = (ROOT / document).read_text()
    assert table() in text, "put in what 'python -m tests.docs.promises' prints"
    assert " ".join(LEGEND.split()) in " ".join(text.split())


def test_every_case_stands_in_one_row() -> None:
    rows = {
        case.name: [title for title, found in ROWS.items() if re.match(found, case.name)] for case in CASES
    }
    assert [name for name, titles in rows.items() if len(titles) != 1] == []
    assert [row_of(name) for name in rows] == [titles[0] for titles in rows.values()]


@pytest.mark.parametrize("title", ROWS)
def test_every_row_has_a_section_with_each_of_its_cases_and_what_runs_it(title: str) -> None:
    cases = cases_of(title)
    assert cases
    lines = section(title).splitlines()
    for case in cases:
        (line,) = [line for line in lines if line.startswith(f"| {case.name} |")]
        assert line.endswith(f"| `[{case.id}]` |")
    assert sum(line.startswith("| ") for line in lines) == 1 + len(cases)


def test_no_two_cases_have_one_id() -> None:
    assert len({case.id for case in CASES}) == len(CASES)

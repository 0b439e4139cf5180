"""The page about dead letters tells every reason, outcome and field there is."""

from __future__ import annotations

import re
from pathlib import Path

from trunkline.deploy.dead_changes import TEXTS
from trunkline.deploy.dead_fields import fields
from trunkline.deploy.dead_filter import REASONS
from trunkline.deploy.settings import DeadFilterSettings, DeadSettings
from trunkline.protocol.messages import DeadLetterRecord
from trunkline.protocol.names import RECEIVE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "dead-letters.md").read_text()


def rows(heading: str) -> list[str]:
    """The first cells of the table under the line that begins so."""
    behind = PAGE[PAGE.index(heading) :]
    table = re.search(r"(?:^\|.*\n)+", behind, re.MULTILINE)
    assert table is not None
    return re.findall(r"^\| `([^`]+)`", table[0], re.MULTILINE)


def test_every_reason_is_explained() -> None:
    assert rows("## Reasons") == list(REASONS)


def test_every_reason_that_the_code_gives_is_known_to_the_filter() -> None:
    (told,) = re.findall(
        r"reason: (``error``.*?)\n        channel:", DeadLetterRecord.__doc__ or "", re.DOTALL
    )
    assert set(re.findall(r"``(\w+)``", told)) - {"body"} == set(REASONS)


def test_every_outcome_is_explained() -> None:
    assert set(rows("What can come of a letter")) == {name.removesuffix("_gone") for name in TEXTS}


def test_every_field_for_programs_is_explained_in_its_order() -> None:
    letter = DeadLetterRecord("1-0", "error", RECEIVE, b"", "", "", "", 1, "", b"", 1.0)
    assert rows("A letter always has these") == list(fields(letter))


def test_every_filter_is_explained() -> None:
    told = {flag for cell in rows("Filters, which") for flag in re.findall(r"--[a-z]+", cell)}
    told |= set(re.findall(r"`(--until)", PAGE))
    declared = DeadFilterSettings.model_fields.keys() - DeadSettings.model_fields.keys()
    assert told == {f"--{name}" for name in declared}

"""The operator's handbook tells every exit code, every close code, every row that was measured, and no old figure."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.redis_memory import BLOCK, NAMES
from trunkline.interface import frames
from trunkline.interface.limits import RESERVED_FILES
from trunkline.interface.settings import InterfaceSettings
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.settings import LayerSettings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
RESULTS = (ROOT / "benchmarks" / "RESULTS.md").read_text()
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
ROWS = {
    "as many messages as it can take (echo)": "echo",
    "the same, with a session read and written": "session",
    "5,000 messages a second": "paced-5000",
    "2,000 a second": "paced-2000",
    "200 a second": "paced-200",
    "a group of 200, a delivery": "group-200",
}
"""Row of the page to the workload of benchmarks/RESULTS.md that it is of."""


def rows(text: str, behind: str) -> list[list[str]]:
    """The cells of the first table behind a text, without its two first lines."""
    table = re.search(r"(?:^\|.*\n)+", text[text.index(behind) :], re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table[0].splitlines()[2:]]


def test_every_exit_code_says_what_to_do() -> None:
    first = [cells[0] for cells in rows(PAGE, "| exit code | who")]
    assert first[: len(ExitCode)] == [f"{code.value} `{code.name}`" for code in ExitCode]


def test_every_close_code_of_the_reference_says_who_sends_it() -> None:
    told = {code for cells in rows(PAGE, "| close code | who") for code in cells[0].split(", ")}
    known = {cells[0] for cells in rows(REFERENCE, "| code | when | what the client should do")}
    sent = {
        str(value)
        for name, value in vars(frames).items()
        if name.isupper() and isinstance(value, int) and 1000 <= value < 3000
    }
    assert told >= known | sent


def test_every_row_that_is_measured_in_redis_stands_in_the_table() -> None:
    (block,) = BLOCK.findall(PAGE)
    assert tuple(cells[0] for cells in rows(block, "| what is in Redis")) == NAMES


def test_what_a_message_costs_is_what_the_benchmarks_measured() -> None:
    shares = {
        cells[0]: dict(part.rsplit(" ", 1) for part in cells[2].split(", "))
        for cells in rows(RESULTS, "| Workload | system | by role")
        if cells[1] == "trunkline"
    }
    told = {cells[0]: cells[1:] for cells in rows(PAGE, "| load | interface server")}
    assert told.keys() == ROWS.keys()
    for name, workload in ROWS.items():
        share = shares[workload]
        assert told[name] == [share["interface"], share["worker"], share["redis"]], name


def test_the_defaults_that_the_arithmetic_uses_are_those_of_the_code() -> None:
    defaults = InterfaceSettings.model_validate({})
    assert (defaults.backlog, defaults.linger_ms, defaults.ping_interval_s, defaults.ping_timeout_s) == (
        1024,
        1.5,
        25.0,
        20.0,
    )
    layer = LayerSettings.model_validate({})
    assert (layer.interface_lease_s, layer.worker_lease_s, layer.dead_capacity) == (3.0, 1.2, 10_000)
    assert RESERVED_FILES == 96

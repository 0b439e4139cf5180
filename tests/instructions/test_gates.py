"""What passes a gate and what does not, without counting anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.instructions.callgrind import Counted, CountError, total
from tests.instructions.gates import (
    OTHER_TOLERANCE,
    TOLERANCE,
    Cost,
    Gates,
    costs,
    gates_for,
    moved,
    read,
    this_build,
    written,
)

GATES = Gates("CPython 3.11 GCC 12 -O2", {"echo": 2.0}, TOLERANCE)


def cost(ratio: float, path: str = "echo") -> Cost:
    return Cost(path, ratio * 1000, ratio)


def test_paths_are_held_against_the_yardstick_of_their_own_process() -> None:
    assert costs([Counted("reference", 100.0), Counted("echo", 200.0)]) == [Cost("echo", 200.0, 2.0)]


def test_a_path_that_became_five_per_cent_dearer_fails_and_says_what_to_do() -> None:
    said = GATES.fault(cost(2.1))
    assert said is not None and "5.0% over" in said and "tests.instructions.write" in said
    assert GATES.gain(cost(2.1)) is None


@pytest.mark.parametrize("off", [-0.9 * TOLERANCE, 0.0, 0.9 * TOLERANCE])
def test_what_is_off_by_less_than_the_tolerance_passes_without_a_word(off: float) -> None:
    assert GATES.fault(cost(2.0 * (1 + off))) is None
    assert GATES.gain(cost(2.0 * (1 + off))) is None


def test_a_path_that_became_cheaper_passes_and_says_how_to_keep_it() -> None:
    assert GATES.fault(cost(1.8)) is None
    said = GATES.gain(cost(1.8))
    assert said is not None and "10.0% cheaper" in said and "tests.instructions.write" in said


def test_a_path_without_a_gate_fails() -> None:
    assert "has no gate" in str(GATES.fault(cost(2.0, "new")))
    assert GATES.gain(cost(2.0, "new")) is None


def test_the_table_shows_how_far_each_path_is_off_its_gate() -> None:
    lines = GATES.table([cost(2.1), cost(1.0, "new")])
    assert lines[1].split() == ["echo", "2,100", "2.1000", "2.0000", "+5.0%"]
    assert lines[2].split() == ["new", "1,000", "1.0000", "none"]


def test_a_build_is_held_against_its_own_gates_closely_and_against_anothers_of_its_version_loosely() -> None:
    known = {"CPython 3.11 GCC 12 -O3": {"echo": 3.0}, GATES.build: GATES.ratios}
    assert gates_for(GATES.build, known) == GATES
    loose = gates_for("CPython 3.11 Clang 18 -O3 --with-lto", known)
    assert loose == Gates("CPython 3.11 GCC 12 -O3", {"echo": 3.0}, OTHER_TOLERANCE)
    assert gates_for("CPython 3.13 GCC 12 -O2", known) is None


def test_the_build_is_named_by_what_does_not_change_with_every_update() -> None:
    python, version, *rest = this_build().split()
    assert python == "CPython" and version.count(".") == 1
    assert rest and not any("/" in word or "." in word for word in rest)


def test_gates_of_builds_that_did_not_count_move_by_the_same_factor() -> None:
    known = {"a": {"echo": 2.0, "gone": 1.0}, "b": {"echo": 3.0, "gone": 1.0}}
    assert moved(known, "a", [cost(1.0), cost(5.0, "new")]) == {
        "a": {"echo": 1.0, "new": 5.0},
        "b": {"echo": 1.5, "new": 5.0},
    }


def test_a_build_that_counts_for_the_first_time_moves_no_other() -> None:
    known = {"b": {"echo": 3.0}}
    assert moved(known, "a", [cost(2.0)]) == {"a": {"echo": 2.0}, "b": {"echo": 3.0}}


def test_gates_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "gates.toml"
    gates = {GATES.build: {"fan-out-200": 18.775, "echo": 3.1707}, "other": {"echo": 4.0}}
    file.write_text(written(gates))
    assert read(file) == gates


def test_there_are_no_gates_without_a_file(tmp_path: Path) -> None:
    assert read(tmp_path / "gates.toml") == {}


def test_the_total_of_a_part_is_found_or_missed(tmp_path: Path) -> None:
    output = tmp_path / "part"
    (tmp_path / "part.2").write_text("events: Ir\nfn=(1) work\n0 12\nsummary: 345\n\n\ntotals: 345\n")
    (tmp_path / "part.3").write_text("events: Ir\n")
    assert total(output, 2) == 345
    with pytest.raises(CountError, match="part 3"):
        total(output, 3)

"""The ledger finds every way in which a history is not what it should be. No process runs here."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.ledger import Gone, Ledger, Record, Witnessed
from tests.faults.promises import COLUMNS, Form, Promises

SENT = 8


def whole(cut: bool = False, handled: int = SENT) -> tuple[list[Record], Witnessed, dict[str, int]]:
    """Two connections of a room and what they should hear; so many frames counted of the first, which may be cut."""
    records = [Record(name, "room", sends_early=True, sent=SENT) for name in ("a", "b")]
    counts = {"a": handled, "b": SENT}
    for record in records:
        record.replies = [(number, number + 1) for number in range(counts[record.name])]
        record.groups = {name: [n for n in (1, 5) if n < counts[name]] for name in ("a", "b")}
        record.early = {name: [n for n in (5,) if n < counts[name]] for name in ("a", "b")}
    records[0].cut = cut
    tallied = [(name, number) for name in ("a", "b") for number in (3, 7) if number < counts[name]]
    gone = [Gone("a", 1006 if cut else 1000, handled), Gone("b", 1000, SENT)]
    return records, Witnessed(gone, tallied), {record.name: SENT for record in records if not record.cut}


def kinds(ledger: Ledger) -> set[tuple[str, str]]:
    return {(entry.column, entry.fault.kind) for entry in ledger.broken(Promises())}


@pytest.mark.parametrize(("cut", "handled"), [(False, SENT), (True, SENT), (True, 4), (True, 0)])
def test_a_whole_history_has_no_fault(cut: bool, handled: int) -> None:
    ledger = Ledger(*whole(cut, handled))

    assert ledger.entries() == []
    assert ledger.sent == 2 * SENT + 4
    assert ledger.effects > 0


Harm = Callable[[list[Record], Witnessed, dict[str, int]], object]

HARMS: dict[str, tuple[Harm, set[tuple[str, str]]]] = {
    "a reply that never came": (
        lambda records, witnessed, sessions: records[1].replies.pop(),
        {("replies", "lost"), ("events", "lost"), ("sessions", "lost"), ("disconnects", "reordered")},
    ),
    "a reply that came twice": (
        lambda records, witnessed, sessions: records[1].replies.append((7, 8)),
        {("replies", "doubled")},
    ),
    "a reply that came twice, of a frame that was counted twice": (
        lambda records, witnessed, sessions: records[1].replies.append((7, 9)),
        {("replies", "doubled"), ("sessions", "lost"), ("disconnects", "reordered")},
    ),
    "replies in another order": (
        lambda records, witnessed, sessions: records[1].replies.__setitem__(slice(2, 4), [(3, 3), (2, 4)]),
        {("replies", "reordered")},
    ),
    "a frame whose effects happened twice": (
        lambda records, witnessed, sessions: records[1].replies.__setitem__(7, (7, 9)),
        {("events", "doubled"), ("sessions", "doubled"), ("sessions", "lost"), ("disconnects", "reordered")},
    ),
    "a session that fell back": (
        lambda records, witnessed, sessions: sessions.update(b=7),
        {("sessions", "lost")},
    ),
    "a group send that a member missed": (
        lambda records, witnessed, sessions: records[1].groups["a"].pop(),
        {("groups", "lost")},
    ),
    "a group send that a member heard twice": (
        lambda records, witnessed, sessions: records[1].groups["a"].append(5),
        {("groups", "doubled")},
    ),
    "group sends in another order": (
        lambda records, witnessed, sessions: records[1].groups["a"].reverse(),
        {("groups", "reordered")},
    ),
    "an early send that came twice": (
        lambda records, witnessed, sessions: records[1].early["a"].append(5),
        {("early", "doubled")},
    ),
    "a background message that was handled twice": (
        lambda records, witnessed, sessions: witnessed.tallied.append(("a", 3)),
        {("background", "doubled")},
    ),
    "a background message that was lost": (
        lambda records, witnessed, sessions: witnessed.tallied.remove(("a", 3)),
        {("background", "lost")},
    ),
    "a background message of nobody": (
        lambda records, witnessed, sessions: witnessed.tallied.append(("c", 3)),
        {("background", "invented")},
    ),
    "a disconnect that nobody handled": (
        lambda records, witnessed, sessions: witnessed.gone.pop(),
        {("disconnects", "lost")},
    ),
    "a disconnect that was handled twice": (
        lambda records, witnessed, sessions: witnessed.gone.append(Gone("b", 1006, SENT)),
        {("disconnects", "doubled")},
    ),
    "a disconnect of nobody": (
        lambda records, witnessed, sessions: witnessed.gone.append(Gone("c", 1006, 0)),
        {("disconnects", "invented")},
    ),
    "a disconnect in front of the last frames": (
        lambda records, witnessed, sessions: witnessed.gone.__setitem__(1, Gone("b", 1000, 6)),
        {("disconnects", "reordered")},
    ),
}


@pytest.mark.parametrize("harm", HARMS)
def test_every_harm_is_found(harm: str) -> None:
    records, witnessed, sessions = whole()
    act, expected = HARMS[harm]
    act(records, witnessed, sessions)

    assert kinds(Ledger(records, witnessed, sessions)) == expected


def test_what_a_frame_did_behind_its_connections_disconnect_is_found() -> None:
    records, witnessed, sessions = whole(cut=True, handled=4)
    records[1].groups["a"].append(5)
    witnessed.tallied.append(("a", 7))

    assert kinds(Ledger(records, witnessed, sessions)) == {("groups", "invented"), ("background", "invented")}


def test_a_member_that_was_cut_may_miss_the_end_and_nothing_else() -> None:
    records, witnessed, sessions = whole(cut=True)
    records[0].groups["b"] = [1]
    assert kinds(Ledger(records, witnessed, sessions)) == set()

    records[0].groups["b"] = [5]
    assert kinds(Ledger(records, witnessed, sessions)) == {("groups", "lost")}


def test_a_promise_allows_what_it_names_and_only_of_frames_in_that_time() -> None:
    records, witnessed, sessions = whole()
    records[1].groups["a"].append(5)
    ledger = Ledger(records, witnessed, sessions)

    assert ledger.broken(Promises(groups=Form.AT_LEAST)) == []
    assert ledger.broken(Promises(groups=Form.AROUND)) == []
    assert len(ledger.broken(Promises(groups=Form.AROUND), lambda sender, number: number != 5)) == 1


@pytest.mark.parametrize("kind", ["lost", "doubled", "reordered", "invented"])
def test_no_form_allows_another_order_and_the_strictest_nothing(kind: str) -> None:
    assert not Form.ONCE.allows(kind)
    assert Form.AT_LEAST.allows(kind) == (kind == "doubled")
    assert Form.AROUND.allows(kind) == (kind != "reordered")
    assert {Promises().of(column) for column in COLUMNS} == {Form.ONCE}

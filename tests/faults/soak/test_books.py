"""The books find what they are there for, and forget what ended well."""

from __future__ import annotations

import pytest

from tests.faults.soak.books import LATE_S, Books
from tests.faults.soak.page import End

NOW_S = 100.0
LATER_S = NOW_S + LATE_S + 1


class Kept:
    """Books as a test fills them."""

    def __init__(self) -> None:
        self.books = Books()

    def open(self, name: str = "a", room: str = "r", frames: int = 0) -> None:
        self.books.opening(name, NOW_S)
        self.books.opened(name, NOW_S)
        self.read("here", name, room=room)
        for _ in range(frames):
            self.books.sent(name, NOW_S)

    def read(self, kind: str, name: str = "a", **content: object) -> None:
        self.books.read({"kind": kind, "name": name, **content}, NOW_S)

    def note(
        self, number: int, name: str = "a", verb: str = "echo", room: str = "r", counted: int | None = None
    ) -> None:
        self.read("note", name, number=number, verb=verb, room=room, counted=counted or number + 1)

    def gone(self, counted: int, name: str = "a", code: int = 1000) -> None:
        self.read("gone", name, code=code, counted=counted)

    def hear(self, *texts: str, name: str = "a") -> None:
        for text in texts:
            self.books.heard(name, text, NOW_S)

    def end(self, name: str = "a", end: End = End.CLOSED) -> None:
        self.books.ended(name, end, NOW_S)

    @property
    def found(self) -> dict[str, int]:
        return {**self.books.counts}


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_a_connection_whose_history_is_whole_is_forgotten(kept: Kept) -> None:
    kept.open(frames=2)
    kept.note(0)
    kept.hear("0 1")
    kept.note(1, verb="tally")
    kept.hear("1 2")
    kept.end()
    kept.gone(2)
    assert len(kept.books) == 1, "its background message is missing"
    kept.read("tally", number=1)

    assert kept.found == {}
    assert len(kept.books) == 0


def test_what_the_ledger_says_of_a_forgotten_connection_is_a_fault(kept: Kept) -> None:
    kept.open()
    kept.end()
    kept.gone(0)
    kept.gone(0)

    assert kept.found == {"late": 1}


@pytest.mark.parametrize(
    ("heard", "kind"),
    [(("1 1",), "lost"), (("0 1", "0 2"), "doubled"), (("7 1",), "invented"), (("0 2", "1 3"), "session")],
)
def test_a_reply_that_is_not_the_next_is_a_fault(kept: Kept, heard: tuple[str, ...], kind: str) -> None:
    kept.open(frames=3)
    kept.hear(*heard)

    assert kept.found == {kind: 1}


@pytest.mark.parametrize(("numbers", "kind"), [([1], "lost"), ([0, 0], "doubled"), ([9], "invented")])
def test_a_frame_that_is_not_the_next_in_the_ledger_is_a_fault(
    kept: Kept, numbers: list[int], kind: str
) -> None:
    kept.open(frames=3)
    for counted, number in enumerate(numbers, 1):
        kept.note(number, counted=counted)

    assert kept.found == {kind: 1}


def test_a_session_that_counted_a_frame_twice_is_one_fault(kept: Kept) -> None:
    kept.open(frames=3)
    for number, counted in enumerate((1, 3, 4)):
        kept.note(number, counted=counted)

    assert kept.found == {"session": 1}


def test_a_frame_behind_the_disconnect_is_a_fault(kept: Kept) -> None:
    kept.open(frames=1)
    kept.gone(0)
    kept.note(0)

    assert kept.found == {"late": 1}


def test_a_frame_before_the_connect_is_a_fault(kept: Kept) -> None:
    kept.books.opening("a", NOW_S)
    kept.books.sent("a", NOW_S)
    kept.note(0)

    assert kept.found == {"reordered": 1}


def test_a_second_disconnect_is_a_fault(kept: Kept) -> None:
    kept.open()
    kept.gone(0)
    kept.gone(0)

    assert kept.found == {"late": 1}


def test_a_second_connect_is_a_fault(kept: Kept) -> None:
    kept.open()
    kept.read("here", room="r")

    assert kept.found == {"doubled": 1}


def test_a_session_that_forgot_a_frame_is_a_fault(kept: Kept) -> None:
    kept.open(frames=1)
    kept.note(0)
    kept.gone(0)

    assert kept.found == {"session": 1}


def test_frames_before_a_close_that_was_answered_must_all_be_handled(kept: Kept) -> None:
    kept.open(frames=2)
    kept.note(0)
    kept.end(end=End.CLOSED)
    kept.gone(1)

    assert kept.found == {"lost": 1}


@pytest.mark.parametrize(("end", "code"), [(End.CUT, 1000), (End.CLOSED, 1006)])
def test_of_a_connection_that_was_cut_the_last_frames_may_be_missing(kept: Kept, end: End, code: int) -> None:
    kept.open(frames=2)
    kept.note(0)
    kept.end(end=end)
    kept.gone(1, code=code)

    assert kept.found == {}


def test_a_reply_to_a_frame_nobody_handled_is_a_fault(kept: Kept) -> None:
    kept.open(frames=1)
    kept.hear("0 1")
    kept.end(end=End.CUT)
    kept.gone(0, code=1006)

    assert kept.found == {"lost": 1}


def test_a_disconnect_that_does_not_come_is_a_fault(kept: Kept) -> None:
    kept.open()
    kept.end()
    kept.books.look(NOW_S + LATE_S - 1)
    assert kept.found == {}

    kept.books.look(LATER_S)

    assert kept.found == {"disconnect": 1}
    assert len(kept.books) == 0


def test_a_refused_handshake_owes_a_disconnect_only_if_its_handler_ran(kept: Kept) -> None:
    for name in ("a", "b", "c"):
        kept.books.opening(name, NOW_S)
        kept.end(name, End.REFUSED)
    kept.read("here", "a", room="r")
    kept.read("here", "b", room="r")
    kept.gone(0, "a", 1006)

    kept.books.look(LATER_S)

    assert kept.found == {"disconnect": 1}
    assert "b (refused)" in kept.books.faults[0]


def test_a_background_message_that_does_not_come_is_a_fault(kept: Kept) -> None:
    kept.open(frames=1)
    kept.note(0, verb="later")
    kept.end()
    kept.gone(1)

    kept.books.look(LATER_S)

    assert kept.found == {"lost": 1}


def test_a_background_message_that_comes_again_is_a_fault(kept: Kept) -> None:
    kept.open(frames=1)
    kept.note(0, verb="tally")
    kept.read("tally", number=0)
    kept.read("tally", number=0)

    assert kept.found == {"doubled": 1}


def test_a_connection_without_a_reply_for_too_long_is_a_fault_once(kept: Kept) -> None:
    kept.open(frames=1)

    kept.books.look(LATER_S)
    kept.books.look(LATER_S)

    assert kept.found == {"stuck": 1}


# ---- groups ----


def room_of_two(kept: Kept, said: int) -> None:
    kept.open("a")
    kept.open("b", frames=said)
    for number in range(said):
        kept.note(number, "b", "say")


def test_a_member_hears_what_was_said_in_its_room_in_that_order(kept: Kept) -> None:
    kept.open("a")
    kept.open("b", frames=3)
    kept.hear("!b 0", name="a")  # the ledger may be read later than the socket
    for number in range(3):
        kept.note(number, "b", "say")
    kept.hear("!b 1", "!b 2", name="a")
    kept.hear("!b 0", "!b 1", "!b 2", name="b")

    kept.books.look(LATER_S)

    assert kept.found == {"stuck": 1}, "that b has had no replies"
    assert kept.books.totals["group messages"] == 6


def test_a_member_hears_nothing_of_other_rooms_nor_before_its_join_nor_behind_its_leave(kept: Kept) -> None:
    kept.open("a", frames=2)
    kept.open("b", room="s", frames=4)
    kept.note(0, "b", "say", "s")
    kept.note(0, "a", "join", "s")
    kept.note(1, "b", "say", "s")
    kept.note(1, "a", "leave", "s")
    kept.note(2, "b", "say", "s")
    kept.note(3, "b", "say", "elsewhere")
    kept.hear("!b 1", name="a")
    kept.hear("!b 0", "!b 1", "!b 2", name="b")

    kept.books.look(NOW_S)

    assert kept.found == {}
    assert not any(page.owed or page.ahead for page in kept.books.unsettled())


def test_who_only_visits_a_room_is_no_member_of_it_any_more(kept: Kept) -> None:
    kept.open("a", frames=1)
    kept.open("b", room="s", frames=1)
    kept.note(0, "a", "visit", "s")
    kept.note(0, "b", "say", "s")

    assert [page.name for page in kept.books.unsettled() if page.owed] == ["b"]


@pytest.mark.parametrize(
    ("heard", "found"),
    [
        (("!b 1", "!b 2"), {"lost": 1}),
        (("!b 0", "!b 0", "!b 1", "!b 2"), {"doubled": 1}),
        (("!b 0", "!b 2"), {"lost": 1}),
        (("!b 0", "!b 1"), {"lost": 1}),
        (("!b 0", "!b 1", "!b 2", "!c 9"), {"invented": 1}),
    ],
)
def test_group_messages_that_are_not_the_very_list_are_faults(
    kept: Kept, heard: tuple[str, ...], found: dict[str, int]
) -> None:
    room_of_two(kept, 3)
    kept.hear("!b 0", "!b 1", "!b 2", name="b")
    kept.hear(*heard, name="a")

    kept.books.look(LATER_S)

    assert kept.found == {**found, "stuck": 1}


def test_a_group_message_behind_a_later_one_is_a_fault(kept: Kept) -> None:
    room_of_two(kept, 2)
    kept.hear("!b 0", "!b 1", name="b")
    kept.hear("!b 1", "!b 0", name="a")

    kept.books.look(LATER_S)

    assert kept.found == {"lost": 1, "invented": 1, "stuck": 1}, (
        "lost where it should be, and there where it should not"
    )


def test_who_has_gone_need_not_hear(kept: Kept) -> None:
    kept.open("a")
    kept.open("b", frames=1)
    kept.end("a", End.CUT)
    kept.note(0, "b", "say")
    kept.hear("!b 0", name="b")
    kept.gone(0, "a", 1006)

    assert kept.found == {}
    assert len(kept.books) == 1


def test_what_was_heard_before_the_end_is_compared_when_the_ledger_is_read_so_far(kept: Kept) -> None:
    kept.open("a")
    kept.open("b", frames=2)
    kept.hear("!b 1", name="a")
    kept.end("a", End.CUT)
    for number in range(2):
        kept.note(number, "b", "say")
    kept.gone(0, "a", 1006)

    assert kept.found == {"lost": 1}
    assert len(kept.books) == 1


# ---- the words ----


def test_only_the_first_faults_are_spelt_out_and_all_are_counted(kept: Kept) -> None:
    for number in range(1000):
        kept.read("gone", f"n{number}", code=1000, counted=0)

    assert kept.found == {"late": 1000}
    assert len(kept.books.faults) < 100

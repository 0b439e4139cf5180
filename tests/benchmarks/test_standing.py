"""Connections that stand: a member of a chat counts what is not as it should be, and a small cluster passes."""

from __future__ import annotations

import pytest

from benchmarks import standing
from benchmarks.peer import PLAIN_DIALECT
from benchmarks.speech import Speech
from benchmarks.standing import Chat, Member, main, table_head


async def test_a_member_counts_what_comes_twice_and_what_is_missing() -> None:
    chat = Chat()
    member = Member(chat, Speech(PLAIN_DIALECT), 0)
    chat.tally.expected = 4

    for text in (b"3 0 0", b"3 1 0", b"3 1 0", b"3 3 0"):
        member.heard(text)

    assert (chat.tally.received, chat.tally.duplicates, chat.out_of_order) == (3, 1, 1)
    assert chat.broken == 3, "one came twice, one is missing, and one came before it"


@pytest.mark.timeout(600)
def test_a_small_crowd_stands(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (
        "--silent 20 --chatting 20 --minutes 0.03 --interfaces 2 --workers 1 --redises 1 --every-s 0.5"
    )

    assert main(arguments.split()) == 0

    head, _, *rows, last = capsys.readouterr().out.splitlines()
    assert head == table_head(["redis", "worker", "interface"])[0]
    cells = [cell.strip() for cell in rows[-1].strip("|").split("|")]
    assert cells[1] == "40"
    said, heard = int(cells[2]), int(cells[3])
    assert said > 0
    assert heard <= said * standing.ROOM, "some may still be on their way; the last line waits for them"
    assert last.endswith("that ended: 0")


def test_a_wrong_flag_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--chatting", "3"])
    assert "--chatting" in capsys.readouterr().err

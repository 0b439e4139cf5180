"""Who holds silent connections."""

from __future__ import annotations

import pytest

from benchmarks.idle import HolderFailed, holder, last_line, parts
from benchmarks.peer import PLAIN_DIALECT
from benchmarks.spec import Kind, Spec, Target


def test_what_is_beyond_one_process_is_held_by_further_ones() -> None:
    assert parts(50, 100) == [50]
    assert parts(100, 100) == [100]
    assert parts(250, 100) == [100, 100, 50]
    assert parts(0, 100) == [0]


def test_the_last_line_of_what_a_process_said_is_why() -> None:
    assert last_line(b"Traceback\n  ...\nRefused: 503\n") == "Refused: 503"
    assert last_line(b"") == "it said nothing"


async def test_a_holder_that_cannot_connect_says_why(unused_tcp_port: int) -> None:
    target = Target("127.0.0.1", [unused_tcp_port], "/echo", PLAIN_DIALECT, {}, [])
    with pytest.raises(HolderFailed, match="a holder of 3 connections: ConnectionRefusedError"):
        async with holder(Spec(Kind.IDLE, target, "none", 3, 0, 0)):
            pass


async def test_a_holder_ends_when_it_is_no_longer_needed() -> None:
    async with holder(
        Spec(Kind.IDLE, Target("127.0.0.1", [1], "/echo", PLAIN_DIALECT, {}, []), "none", 0, 0, 0)
    ):
        pass

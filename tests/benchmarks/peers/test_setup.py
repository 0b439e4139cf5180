"""The set-up command says one line for each peer, whatever is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.peer import Peer, Shape, System
from benchmarks.peers import PEERS, setup
from benchmarks.peers.setup import main, set_up
from benchmarks.processes import Cores


@contextmanager
def never(cores: Cores, folder: Path, shape: Shape) -> Iterator[System]:
    raise AssertionError("a set-up starts nothing")
    yield


def peer(name: str, reason: str | None) -> Peer:
    return Peer(
        name=name,
        title=name,
        guarantees="none",
        routes={},
        commands=(),
        missing=lambda: reason,
        versions=lambda: {"node": "20.1.0", "redis": "7.0.0"},
        start=never,
    )


def test_each_peer_is_one_line() -> None:
    assert list(set_up([peer("one", None), peer("two", "there is no npm on PATH")])) == [
        "one: ready (node 20.1.0, redis 7.0.0)",
        "two: left out, there is no npm on PATH",
    ]


def test_a_peer_that_cannot_be_had_is_no_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "PEERS", (peer("two", "there is no go on PATH"), peer("three", None)))
    assert main(["two"]) == 0
    assert capsys.readouterr().out == "two: left out, there is no go on PATH\n"


def test_a_name_that_is_no_peer_is_refused_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nginx"]) == 2
    assert "no such peer: nginx; there are channels-daphne, " in capsys.readouterr().err


def test_names_are_fit_for_flags_and_differ() -> None:
    names = [item.name for item in PEERS]
    assert len(set(names)) == len(names)
    assert all(name.replace("-", "").isalnum() and name == name.lower() for name in names)


def test_guarantees_are_one_line() -> None:
    assert all(item.guarantees and "\n" not in item.guarantees for item in PEERS)

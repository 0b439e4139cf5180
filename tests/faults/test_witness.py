"""Where the witness was cut off nobody can tell what was handled: the case is played again, and fails in the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.faults import conftest
from tests.faults.cases import CASES, Case
from tests.faults.conftest import TURNS, Clusters
from tests.faults.ledger import Record
from tests.faults.load import Load, Talker, WitnessGone
from tests.faults.play import Result


async def _let_in_and_close(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str("gone only-one 0")
    await socket.close()
    return socket


async def test_what_a_witness_that_was_cut_off_has_not_heard_is_not_waited_for() -> None:
    app = web.Application()
    app.router.add_get("/witness", _let_in_and_close)
    async with (
        TestServer(app) as server,
        Load([str(server.make_url("")).rstrip("/")], connections=0) as load,
    ):
        with pytest.raises(WitnessGone, match="before it heard of 1 disconnects"):
            await load.all_gone([Talker(Record("n0", "r0", False), 0, load)], 30)


class Counted(Clusters):
    """Whose clusters are not needed."""

    async def get(self) -> Any:
        return None

    async def spoil(self) -> None: ...


@pytest.mark.parametrize("cut_off", [1, TURNS])
async def test_the_case_is_played_again(
    cut_off: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = 0
    fine = cast(Result, type("Fine", (), {"recovery_s": 0.1})())

    async def play(cluster: object, case: Case) -> Result:
        nonlocal turns
        turns += 1
        if turns <= cut_off:
            raise WitnessGone
        return fine

    monkeypatch.setattr(conftest, "play", play)
    clusters = Counted(tmp_path, "one")
    if cut_off < TURNS:
        assert await clusters.play(CASES[0]) is fine
        assert turns == cut_off + 1
    else:
        with pytest.raises(AssertionError, match="times no witness"):
            await clusters.play(CASES[0])

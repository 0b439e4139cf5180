"""Where the witness was cut off nobody can tell what was handled, and that is said at once."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.faults.ledger import Record
from tests.faults.load import Load, Talker


async def _let_in_and_close(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str("gone only-one 1000 0")
    await socket.close()
    return socket


async def test_what_a_witness_that_was_cut_off_has_not_heard_is_not_waited_for() -> None:
    app = web.Application()
    app.router.add_get("/witness", _let_in_and_close)
    async with (
        TestServer(app) as server,
        Load([str(server.make_url("")).rstrip("/")], connections=0) as load,
    ):
        await load.all_gone([Talker(Record("only-one", "r0", False), 0, load)])
        with pytest.raises(AssertionError, match="cut off before it heard of 1 disconnects"):
            await load.all_gone([Talker(Record("n0", "r0", False), 0, load)])

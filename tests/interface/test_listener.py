"""Where an interface server listens, and how it ends that."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any, cast

import pytest

from tests.interface.conftest import settings
from trunkline.interface.listener import listen


class Greeter(asyncio.Protocol):
    """Says one word to whoever is let in."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        met = cast(asyncio.Transport, transport)
        met.write(b"hello")
        met.close()


@pytest.mark.parametrize("turns", range(5))
async def test_who_connects_while_it_closes_is_let_in_once_accepted_and_told_at_once_before(
    turns: int,
) -> None:
    greet: Any = Greeter
    listener = await listen(settings(), greet)
    await listener.serve()
    loop = asyncio.get_running_loop()

    with socket.create_connection(tuple(listener.bound), timeout=10) as client:
        client.setblocking(False)
        # How far the loop has come with it: it is in the backlog, accepted, has a transport, was let in.
        for _ in range(turns):
            await asyncio.sleep(0)
        await listener.close()
        heard = b""
        async with asyncio.timeout(5):
            with suppress(ConnectionResetError):
                heard = await loop.sock_recv(client, 10)

    # uvloop looks for connections at another place of its turn.
    accepted = turns >= 2 and isinstance(loop, asyncio.BaseEventLoop)
    assert heard == b"hello" or (not accepted and heard == b"")


async def test_it_can_be_closed_twice_and_before_it_serves() -> None:
    greet: Any = Greeter
    listener = await listen(settings(), greet)
    await listener.close()
    await listener.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*listener.bound)

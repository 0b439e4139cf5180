"""Handlers that fail: a dead letter tells why, the connection goes on, and nobody else notices."""

from __future__ import annotations

import aiohttp
import pytest

from tests.support.processes import Interface, Processes
from tests.support.sockets import Client, Socket
from trunkline.protocol.messages import DeadLetterRecord


async def letters_since(cluster: Processes, last: str) -> list[DeadLetterRecord]:
    async with cluster.operator() as layer:
        return await layer.dead_letters(last)


async def last_letter(cluster: Processes) -> str:
    letters = await letters_since(cluster, "")
    return letters[-1].id if letters else ""


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ("raise", "RuntimeError: as it was told"),
        ("nonsense", "MessageError: "),
        ("unknown key", "MessageError: "),
    ],
)
async def test_a_handler_that_fails_leaves_a_dead_letter_and_its_connection_goes_on(
    cluster: Processes, interface: Interface, client: Client, bystander: Socket, told: str, error: str
) -> None:
    before = await last_letter(cluster)
    socket = await client.open(f"{interface.address}/trouble/failing")

    await socket.send(told)
    await socket.send("still there")

    assert await socket.hears(1) == ["still there"]
    (letter,) = await letters_since(cluster, before)
    assert (letter.reason, letter.channel, letter.attempt) == ("error", "websocket.receive", 1)
    assert letter.error.startswith(error)
    assert "fault_app" in letter.traceback
    assert "trouble" in letter.route


async def test_a_connect_handler_that_fails_refuses_the_handshake_with_500(
    cluster: Processes, interface: Interface, client: Client, bystander: Socket
) -> None:
    before = await last_letter(cluster)

    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.open(f"{interface.address}/connect-fails")

    assert refused.value.status == 500
    (letter,) = await letters_since(cluster, before)
    assert letter.error == "RuntimeError: the connect handler fails"


async def test_a_verdict_that_is_none_refuses_the_handshake_with_500(
    cluster: Processes, interface: Interface, client: Client, bystander: Socket
) -> None:
    before = await last_letter(cluster)

    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.open(f"{interface.address}/accept-nonsense")

    assert refused.value.status == 500
    (letter,) = await letters_since(cluster, before)
    assert letter.error.startswith("MessageError: ")


async def test_a_connect_handler_that_denies_refuses_the_handshake_with_403(
    interface: Interface, client: Client
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.open(f"{interface.address}/refuse")

    assert refused.value.status == 403


@pytest.mark.parametrize("path", ["/", "/nowhere", "/echo", "/echo/a/../../etc", "/%00"])
async def test_a_path_that_no_route_can_match_is_refused_with_404(
    interface: Interface, client: Client, path: str
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.open(interface.address + path)

    assert refused.value.status == 404


async def test_a_plain_request_without_a_route_is_answered_with_404(interface: Interface) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{interface.address}/nowhere") as answer:
        assert answer.status == 404

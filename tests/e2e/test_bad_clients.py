"""Clients that break rules hear so, and are counted; whoever is connected beside them notices nothing."""

from __future__ import annotations

import asyncio
import socket as sockets
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.support.processes import Interface, Processes
from tests.support.sockets import Client, Socket
from tests.support.waiting import until

HANDSHAKE = {
    "Host": "localhost",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def request(path: str, **changes: str | None) -> bytes:
    """A handshake with some fields changed, or left out where they are None; ``_`` stands for ``-``."""
    fields: dict[str, str | None] = {
        **HANDSHAKE,
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


async def raw(interface: Interface, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    where = urlsplit(interface.address)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(data)
    return reader, writer


async def answer(interface: Interface, data: bytes) -> tuple[int, bytes]:
    """Status and the rest of what the server says until it hangs up."""
    reader, writer = await raw(interface, data)
    async with asyncio.timeout(10):
        said = await reader.read()
    writer.close()
    await writer.wait_closed()
    return int(said.split(b" ", 2)[1]), said


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Sec_WebSocket_Key": None}, 400),
        ({"Sec_WebSocket_Key": "c2hvcnQ="}, 400),
        ({"Sec_WebSocket_Key": "no base64 at all"}, 400),
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Sec_WebSocket_Version": None}, 426),
        ({"Connection": "close"}, 400),
        ({"Sec_WebSocket_Protocol": "chat, chat"}, 400),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_a_handshake_that_breaks_the_rules_is_refused(
    interface: Interface, bystander: Socket, changes: dict[str, str | None], status: int
) -> None:
    assert (await answer(interface, request("/echo/bad", **changes)))[0] == status


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),  # TLS to a plain port
        b"GET\r\n\r\n",
        b"GET /echo/a HTTP/1.1\r\nHost: localhost\r\nbad header line\r\n\r\n",
        b"GET /echo/a HTTP/9.9\r\n\r\n",
        b"\r\n" * 20 + b"nonsense\r\n\r\n",
    ],
    ids=["tls", "no-target", "bad-header", "bad-version", "nonsense"],
)
async def test_what_is_no_http_is_answered_with_400_and_fills_no_log(
    cluster: Processes, interface: Interface, bystander: Socket, data: bytes
) -> None:
    counted = await cluster.metric(interface, "bad_requests_total")

    assert (await answer(interface, data))[0] == 400
    assert await cluster.metric(interface, "bad_requests_total") == counted + 1
    assert "Traceback" not in interface.text()


async def test_a_page_of_the_same_host_may_connect(interface: Interface, client: Client) -> None:
    socket = await client.open(f"{interface.address}/echo/a", headers={"Origin": interface.address})

    await socket.send("hello")

    assert await socket.hears(1) == ["hello"]


async def test_a_frame_over_the_limit_is_answered_with_1009(
    interface: Interface, client: Client, bystander: Socket
) -> None:
    socket = await client.open(f"{interface.address}/echo/large")

    await socket.send("fits" * 16_384)
    await socket.hears(1)
    await socket.send("x" * 65_537)
    await socket.ended()

    assert socket.code == 1009


@pytest.mark.parametrize(
    "frame",
    [
        b"\x81\x82\0\0\0\0\xff\xfe",  # text that is no UTF-8
        b"\x81\x83\0\0\0\0\xed\xa0\x80",  # a lone surrogate
        b"\x88\x84\0\0\0\0\x03\xe8\xff\xff",  # a close reason that is no UTF-8
    ],
)
async def test_text_that_is_no_utf_8_is_answered_with_1007(
    interface: Interface, bystander: Socket, frame: bytes
) -> None:
    reader, writer = await raw(interface, request("/echo/bytes"))
    async with asyncio.timeout(10):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(frame)
        said = await reader.read()
    writer.close()

    assert said[:1] == b"\x88"
    assert int.from_bytes(said[2:4], "big") == 1007


async def test_a_client_that_never_reads_is_closed_with_1013_and_disturbs_no_other_member(
    cluster: Processes, interface: Interface, client: Client, bystander: Socket
) -> None:
    observer = await client.open(f"{interface.address}/observe")
    sender = await client.open(f"{interface.address}/group/deaf", max_msg_size=0)
    slow = await cluster.metric(interface, "slow_readers_total")
    where = urlsplit(interface.address)
    deaf = sockets.socket()
    deaf.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(deaf, (where.hostname, where.port))
    await loop.sock_sendall(deaf, request("/group/deaf"))
    await loop.sock_recv(deaf, 100)  # The upgrade, and nothing more.

    count = 0

    async def found() -> bool:
        nonlocal count
        await sender.send(f"{count:06d}" + "x" * 60_000)
        count += 1
        await sender.hears(count)
        return await cluster.metric(interface, "slow_readers_total") > slow

    await until(found, 20, "the slow reader is found")
    deaf.close()

    assert [str(text)[:6] for text in sender.heard] == [f"{number:06d}" for number in range(count)]
    assert sender.code is None
    assert observer.code is None
    assert await cluster.metric(interface, 'closes_total{code="1013"') == slow + 1


async def test_a_client_that_is_gone_without_a_word_is_disconnected_with_1006(
    interface: Interface, client: Client
) -> None:
    observer = await client.open(f"{interface.address}/observe")
    reader, writer = await raw(interface, request("/echo/vanishing"))
    await reader.readuntil(b"\r\n\r\n")

    writer.transport.abort()

    await until(lambda: "vanishing 1006" in observer.heard, 10, "the disconnect is handled")


async def test_a_close_code_of_the_client_reaches_the_disconnect_handler(
    interface: Interface, client: Client
) -> None:
    observer = await client.open(f"{interface.address}/observe")
    socket = await client.open(f"{interface.address}/echo/polite")

    await socket.close(4321)

    await until(lambda: "polite 4321" in observer.heard, 5, "the disconnect was handled with its code")


async def test_text_and_binary_frames_come_back_as_they_were(interface: Interface, client: Client) -> None:
    socket = await client.open(f"{interface.address}/echo/both")

    await socket.send("text ☎")
    await socket.send(b"\x00\xffbinary")
    await socket.send("")

    assert await socket.hears(3) == ["text ☎", b"\x00\xffbinary", ""]


async def test_a_method_that_a_websocket_does_not_have_is_no_handshake(interface: Interface) -> None:
    async with aiohttp.ClientSession() as session:
        headers = {name: value for name, value in HANDSHAKE.items() if name != "Host"}
        async with session.post(f"{interface.address}/echo/a", headers=headers) as refused:
            assert refused.status == 400

"""Limits by address, at the door and behind proxies."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import WSServerHandshakeError

from tests.interface.conftest import MakeRig, Rig
from tests.interface.test_server import certificate
from tests.support.client_frames import RawClient, frame
from tests.support.fake_layer import silent
from tests.support.waiting import until
from trunkline.interface.frames import TEXT

__all__ = ["certificate"]

PROXIED = {"trusted_proxies": ["127.0.0.0/8"]}


async def refused(rig: Rig, extra: str = "") -> str:
    """The answer to a handshake that must be refused."""
    async with RawClient(*rig.address) as client:
        answer = await client.upgrade(extra=extra)
        assert " 101 " not in answer
        return answer


async def test_one_connection_too_many_of_an_address_gets_429_and_room_is_given_back(
    make_rig: MakeRig,
) -> None:
    rig = await make_rig(connections_per_address=2)
    async with RawClient(*rig.address) as first, RawClient(*rig.address) as second:
        await first.upgrade()
        await second.upgrade()
        answer = await refused(rig)
        assert answer.startswith("HTTP/1.1 429 ")
        assert "Retry-After: " in answer
        assert rig.turned_away("address") == 1

        second.send(frame(8))
        await second.close_code()
        assert await second.ended()
        await until(lambda: rig.shared.addresses.open("127.0.0.1") == 1)
        async with RawClient(*rig.address) as third:
            assert " 101 " in await third.upgrade()
        first.send(frame(TEXT, b"undisturbed"))
        assert await first.receive() == (0x81, b"undisturbed")
    await until(lambda: rig.shared.addresses.open("127.0.0.1") == 0)


async def test_half_open_handshakes_count_too(make_rig: MakeRig) -> None:
    rig = await make_rig(connections_per_address=1)
    async with RawClient(*rig.address) as half_open:
        half_open.send(b"GET / HTTP/1.1\r\nHost:")
        await until(lambda: rig.shared.addresses.open("127.0.0.1") == 1)
        assert " 429 " in await refused(rig)
    await until(lambda: rig.shared.addresses.open("127.0.0.1") == 0)


async def test_new_connections_of_an_address_have_a_rate(make_rig: MakeRig) -> None:
    rig = await make_rig(address_rate=0.001, address_burst=2)
    for _ in range(2):
        async with RawClient(*rig.address) as client:
            await client.upgrade()

    assert " 429 " in await refused(rig)
    assert rig.turned_away("address_rate") == 1


async def test_a_limit_holds_on_tls_as_well(make_rig: MakeRig, certificate: tuple[Any, Any]) -> None:
    cert, key = certificate
    rig = await make_rig(connections_per_address=1, tls_cert=str(cert), tls_key=str(key), close_timeout_s=0.2)
    socket = await rig.websocket(ssl=False)
    await socket.send_str("over TLS")
    assert (await socket.receive()).data == "over TLS"

    with pytest.raises(WSServerHandshakeError) as found:
        await rig.websocket(ssl=False)

    assert found.value.status == 429
    await socket.close()


async def test_behind_a_trusted_proxy_the_clients_are_counted_and_not_the_proxy(make_rig: MakeRig) -> None:
    rig = await make_rig(connections_per_address=1, **PROXIED)
    first, other = "\nX-Forwarded-For: 2001:db8::1", "\nX-Forwarded-For: 192.0.2.7"
    async with RawClient(*rig.address) as client, RawClient(*rig.address) as neighbour:
        assert " 101 " in await client.upgrade(extra=first)
        assert " 101 " in await neighbour.upgrade(extra=other)
        answer = await refused(rig, "\nX-Forwarded-For: 2001:db8::ffff")
        assert " 429 " in answer
        assert "Retry-After: " in answer
        assert rig.turned_away("address") == 1
        assert rig.server.metrics.handshakes.get("address").value == 1
    await until(lambda: rig.shared.addresses.open("2001:db8::/64") == 0)
    async with RawClient(*rig.address) as again:
        assert " 101 " in await again.upgrade(extra=first)


async def test_a_handshake_that_waits_for_its_verdict_counts(make_rig: MakeRig) -> None:
    rig = await make_rig(silent, connections_per_address=1, **PROXIED)
    extra = "\nX-Forwarded-For: 192.0.2.7"
    async with RawClient(*rig.address) as client:
        client.send(client.handshake(extra=extra).replace("\n", "\r\n").encode() + b"\r\n\r\n")
        await until(lambda: rig.shared.addresses.open("192.0.2.7") == 1)
        assert " 429 " in await refused(rig, extra)
    await until(lambda: rig.shared.addresses.open("192.0.2.7") == 0)


async def test_a_proxy_that_says_nothing_of_its_clients_has_no_limit(make_rig: MakeRig) -> None:
    rig = await make_rig(connections_per_address=1, **PROXIED)
    async with RawClient(*rig.address) as first, RawClient(*rig.address) as second:
        assert " 101 " in await first.upgrade()
        assert " 101 " in await second.upgrade()


async def test_requests_and_static_answers_are_counted_by_status(make_rig: MakeRig, tmp_path: Any) -> None:
    (tmp_path / "a.txt").write_text("a")
    rig = await make_rig(static=[f"/static={tmp_path}"], max_path_bytes=100)
    for path, status in (("/static/a.txt", 200), ("/static/none", 404), ("/" + "x" * 200, 414)):
        async with rig.client.get(rig.url + path) as response:
            assert response.status == status
    rig.layer.receiver.away()
    async with rig.client.get(rig.url) as response:
        assert response.status == 503

    counted = {
        status: rig.server.metrics.requests.get(status).value for status in ("200", "404", "414", "503")
    }
    assert counted == {"200": 1, "404": 1, "414": 1, "503": 1}
    assert rig.turned_away("away") == 1

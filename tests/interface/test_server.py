"""The life of an interface server."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.interface.conftest import MakeRig, Rig, settings
from tests.support.client_frames import RawClient, frame
from tests.support.fake_layer import ACCEPT, FakeLayer, disconnects, echo, silent
from tests.support.waiting import until
from trunkline.interface import door, succession
from trunkline.interface import server as server_module
from trunkline.interface.frames import TEXT
from trunkline.interface.listener import Listener
from trunkline.interface.server import InterfaceServer
from trunkline.protocol.codec import RELEASE
from trunkline.protocol.errors import ConfigError, LayerUnavailable
from trunkline.protocol.memory import MemoryBus
from trunkline.protocol.messages import Entry
from trunkline.protocol.names import CONNECT, DISCONNECT, RECEIVE, REQUEST, ConnectionId


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
            f"-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout {key} -out {cert}"
        ).split(),
        check=True,
        capture_output=True,
    )
    return cert, key


async def test_the_lease_tells_where_it_is(rig: Rig) -> None:
    info = rig.layer.info

    assert info is not None
    assert info.id == rig.server.id
    assert (info.role, info.admin, info.detail) == ("interface", "admin:1", rig.url)
    assert info.pid > 0


async def test_tls_by_certificate_and_key(make_rig: MakeRig, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    rig = await make_rig(tls_cert=str(cert), tls_key=str(key), close_timeout_s=0.2)
    context = ssl.create_default_context(cafile=str(cert))

    assert rig.url.startswith("https://127.0.0.1:")
    async with rig.client.get(rig.url, ssl=context) as response:
        assert response.status == 200
    socket_ = await rig.websocket(ssl=context)
    await socket_.send_str("secret")
    assert (await socket_.receive()).data == "secret"
    assert (await rig.layer.entry(CONNECT)).events[0]["scheme"] == "wss"
    await socket_.send_bytes(b"x" * 70_000)
    await socket_.receive()
    assert socket_.close_code == 1009
    await rig.layer.entry(DISCONNECT)


async def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("nonsense")
    server = InterfaceServer(settings(tls_cert=str(bad), tls_key=str(bad)), FakeLayer)

    with pytest.raises(ConfigError, match="--tls-cert"):
        await server.start()
    await server.close()


async def test_a_unix_socket_is_listened_on_and_taken_away_at_the_end(
    make_rig: MakeRig, tmp_path: Path
) -> None:
    path = tmp_path / "t.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    rig = await make_rig(unix_socket=str(path), trusted_proxies=["unix"])

    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as client,
        client.post("http://x/", data=b"b", headers={"X-Forwarded-For": "192.0.2.7"}) as response,
    ):
        assert await response.read() == b"b"
    assert (await rig.layer.entry(REQUEST)).events[0]["client"] == ["192.0.2.7", 0]
    assert rig.url == f"http+unix://{path}"

    other = InterfaceServer(settings(unix_socket=str(path)), FakeLayer)
    with pytest.raises(ConfigError, match="somebody listens there"):
        await other.start()
    await rig.server.close()
    assert not path.exists()


async def test_what_is_no_socket_is_not_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    server = InterfaceServer(settings(unix_socket=str(path)), FakeLayer)

    with pytest.raises(ConfigError, match="no socket"):
        await server.start()
    await server.close()
    assert path.read_text() == "data"


async def test_several_servers_share_a_port_on_demand(make_rig: MakeRig) -> None:
    first = await make_rig(reuse_port=True)
    second = await make_rig(reuse_port=True, port=first.address[1])

    async def ask() -> None:
        async with RawClient(*first.address) as client:
            assert " 101 " in await client.upgrade()

    for _ in range(200):
        await ask()
        if first.layer.of(CONNECT) and second.layer.of(CONNECT):
            break
    assert first.layer.of(CONNECT)
    assert second.layer.of(CONNECT)


async def test_a_port_that_is_taken_is_named(rig: Rig) -> None:
    server = InterfaceServer(settings(port=rig.address[1]), FakeLayer)
    with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{rig.address[1]}"):
        await server.start()
    await server.close()


async def test_a_layer_that_does_not_answer_at_the_start_is_an_error() -> None:
    class Dead(FakeLayer):
        async def open(self, info: Any, receiver: Any) -> None:
            raise LayerUnavailable("Redis does not answer")

    layers: list[Dead] = []

    def make() -> Dead:
        layers.append(Dead())
        return layers[-1]

    server = InterfaceServer(settings(), make)
    with pytest.raises(LayerUnavailable):
        await server.start()
    assert server.ready() is not None
    assert layers[0].closed
    await server.close()


async def test_it_is_ready_only_once_it_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    server = InterfaceServer(settings(), FakeLayer)
    seen: list[str | None] = []
    serve = Listener.serve

    async def noting(self: Listener) -> None:
        seen.append(server.ready())
        await serve(self)

    monkeypatch.setattr(Listener, "serve", noting)
    await server.start()
    assert (seen, server.ready()) == (["starting"], None)
    await server.close()


async def test_starting_over_waits_until_the_layer_answers(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(succession, "MIN_REOPEN_S", 0.01)
    rig = await make_rig()
    failures = 2
    open_ = FakeLayer.open

    async def fails_twice(self: FakeLayer, info: Any, receiver: Any) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise LayerUnavailable("not yet")
        await open_(self, info, receiver)

    monkeypatch.setattr(FakeLayer, "open", fails_twice)
    rig.layer.receiver.fenced()

    assert rig.server.ready() == "fenced, starting over"
    assert " 503 " in await _upgrade(rig)
    await until(lambda: rig.server.ready() is None)
    assert len(rig.layers) == 4
    assert [layer.closed for layer in rig.layers] == [True, True, True, False]
    assert " 101 " in await _upgrade(rig)


async def _upgrade(rig: Rig) -> str:
    async with RawClient(*rig.address) as client:
        return await client.upgrade()


async def test_a_drain_closes_sockets_with_1012_flushes_disconnects_and_retires(make_rig: MakeRig) -> None:
    rig = await make_rig()
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        draining = asyncio.create_task(rig.server.drain())

        assert await client.close_code() == 1012
        assert rig.server.ready() == "draining"
        with pytest.raises(OSError):
            await asyncio.open_connection(*rig.address)
        client.send(frame(8, b"\x03\xf4"))
        assert await client.ended()
        await draining

    assert disconnects(rig.layer)[0][1] == 1012
    assert rig.layer.retired
    assert rig.layer.closed
    assert rig.deaths == []


async def test_a_drain_waits_for_the_release_of_every_disconnect(make_rig: MakeRig) -> None:
    def keeps_disconnects(entry: Entry, connection: ConnectionId) -> list[list[Any]] | None:
        return None if entry.channel == DISCONNECT else echo(entry, connection)

    rig = await make_rig(keeps_disconnects)
    async with RawClient(*rig.address) as client:
        await client.upgrade()
    entry = await rig.layer.entry(DISCONNECT)

    draining = asyncio.create_task(rig.server.drain())
    await until(lambda: rig.server.ready() == "draining")
    assert not rig.layer.retired
    rig.layer.release(entry)
    await draining

    assert rig.layer.retired


async def test_a_drain_takes_no_longer_than_it_may(make_rig: MakeRig) -> None:
    rig = await make_rig(
        lambda entry, connection: [[RELEASE, connection, 0, [ACCEPT]]] if entry.channel == CONNECT else None,
        drain_s=0.3,
        close_timeout_s=60,
    )
    async with RawClient(*rig.address) as stubborn:
        await stubborn.upgrade()
        stubborn.send(frame(TEXT, b"never released"))
        await rig.layer.entry(RECEIVE)
        started_s = time.monotonic()

        await rig.server.drain()

        assert time.monotonic() - started_s < 3
        assert await stubborn.close_code() == 1012
        await stubborn.ended()
    assert rig.layer.retired


async def test_a_drain_closes_many_sockets_at_an_even_pace(make_rig: MakeRig) -> None:
    rig = await make_rig(drain_s=1.0, close_timeout_s=0.1)
    clients = [RawClient(*rig.address) for _ in range(60)]
    for client in clients:
        await client.__aenter__()
        await client.upgrade()
    draining = asyncio.create_task(rig.server.drain())

    await clients[0].close_code()
    still_open = len(rig.server.tenure.open_connections()) if rig.server.tenure is not None else 0
    await draining

    assert still_open >= 30
    assert len(rig.layer.of(DISCONNECT)) == 60
    for client in clients:
        await client.__aexit__(None, None, None)


async def test_a_request_in_flight_is_answered_during_the_drain(make_rig: MakeRig) -> None:
    rig = await make_rig(silent)
    async with RawClient(*rig.address) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        entry = await rig.layer.entry(REQUEST)
        draining = asyncio.create_task(rig.server.drain())
        await until(lambda: rig.server.ready() == "draining")
        rig.layer.release(entry, {"status": 200, "content": b"in time"})
        assert b" 200 " in await client.reader.readuntil(b"\r\n\r\n")
        assert await client.reader.readexactly(7) == b"in time"
        await draining


POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nb"


async def answer_of(client: RawClient) -> str:
    """Sends a request, gives the head of its answer when the body is there too."""
    client.send(POST)
    return (await client.reader.readuntil(b"\r\n\r\nb")).decode()


async def test_a_drain_ends_idle_connections_and_answers_what_may_be_on_its_way(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "IDLE_S", 0.0)
    rig = await make_rig(drain_s=30.0, close_timeout_s=30.0)
    async with (
        RawClient(*rig.address) as kept,
        RawClient(*rig.address) as fresh,
        RawClient(*rig.address) as late,
        RawClient(*rig.address) as chat,
    ):
        assert "close" not in await answer_of(kept)
        # As long as this one does not answer its close, the drain goes on.
        await chat.upgrade()
        await until(lambda: rig.shared.sockets.guests == 3)

        draining = asyncio.create_task(rig.server.drain())
        assert await kept.ended()
        assert not draining.done()
        assert "\r\nConnection: close\r\n" in await answer_of(fresh)
        assert await fresh.ended()
        refused = await late.upgrade()
        assert refused.startswith("HTTP/1.1 503") and "\r\nRetry-After:" in refused
        assert "\r\nConnection: close\r\n" in refused
        assert not draining.done()
        chat.writer.transport.abort()
        await draining


async def test_a_kept_connection_in_use_has_its_next_request_answered_in_a_drain_and_then_it_ends(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "IDLE_S", 60.0)
    rig = await make_rig(drain_s=30.0, close_timeout_s=30.0)
    async with RawClient(*rig.address) as kept, RawClient(*rig.address) as chat:
        await answer_of(kept)
        await chat.upgrade()
        draining = asyncio.create_task(rig.server.drain())
        assert await chat.close_code() == 1012  # by then the idle ones are looked for

        assert "\r\nConnection: close\r\n" in await answer_of(kept)

        assert await kept.ended()
        assert not draining.done()
        chat.writer.transport.abort()
        await draining


async def test_a_kept_connection_in_use_ends_when_it_is_idle(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "IDLE_S", 0.05)
    rig = await make_rig(drain_s=30.0, close_timeout_s=30.0)
    async with RawClient(*rig.address) as kept, RawClient(*rig.address) as chat:
        await chat.upgrade()
        await answer_of(kept)
        draining = asyncio.create_task(rig.server.drain())

        assert await kept.ended()

        assert not draining.done()
        chat.writer.transport.abort()
        await draining


async def test_a_stream_and_a_file_that_a_drain_begins_are_the_last_of_their_connections(
    make_rig: MakeRig, tmp_path: Path
) -> None:
    (tmp_path / "f.txt").write_text("b")
    rig = await make_rig(silent, static=[f"/static={tmp_path}"], drain_s=30.0, close_timeout_s=30.0)
    async with (
        RawClient(*rig.address) as stream,
        RawClient(*rig.address) as file,
    ):
        stream.send(POST)
        entry = await rig.layer.entry(REQUEST)
        await until(lambda: rig.shared.sockets.guests == 2)
        draining = asyncio.create_task(rig.server.drain())
        await until(lambda: rig.server.ready() == server_module.DRAINING)

        of_file = await file.head("GET /static/f.txt HTTP/1.1\nHost: a")
        rig.layer.release(entry, {"status": 200, "content": b"b", "more_content": True}, {"content": b"c"})
        of_stream = (await stream.reader.readuntil(b"\r\n\r\n")).decode()

        for head in (of_file, of_stream):
            assert head.startswith("HTTP/1.1 200") and "\r\nConnection: close\r\n" in head
        await stream.reader.readuntil(b"c\r\n0\r\n\r\n")
        assert await file.reader.readexactly(1) == b"b"
        assert await stream.ended() and await file.ended()
        await draining


async def test_close_may_be_called_twice_and_cuts_sockets_off(make_rig: MakeRig) -> None:
    rig = await make_rig(close_timeout_s=60)
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        await rig.server.close()
        await rig.server.close()
        assert await client.close_code() == 1012
        assert await client.ended()


async def test_a_heartbeat_that_dies_makes_the_server_unready_and_is_reported(make_rig: MakeRig) -> None:
    class BrokenTicks:
        async def sleep(self, seconds: float) -> None:
            raise RuntimeError("clock broken")

    rig = await make_rig(ticks=BrokenTicks())
    await until(lambda: rig.deaths == ["heartbeat"])
    assert rig.server.ready() == "background loop heartbeat died"


async def test_gauges_show_the_levels(make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_LEVELS_S", -1.0)
    rig = await make_rig(
        lambda entry, connection: [[RELEASE, connection, 0, [ACCEPT]]] if entry.channel == CONNECT else None
    )
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        client.send(frame(TEXT, b"a"))
        await rig.layer.entry(RECEIVE)
        rig.layer.receiver.away()

        text = rig.metric_set.exposition().decode()

        for line in (
            "trunkline_connections 1.0",
            "trunkline_in_flight 1.0",
            "trunkline_paused_connections 1.0",
            "trunkline_redis_up 0.0",
            "trunkline_messages_in_total 1.0",
            'trunkline_handshakes_total{outcome="accepted"} 1.0',
        ):
            assert line in text, line
    await rig.server.close()
    assert "trunkline_in_flight 0.0" in rig.metric_set.exposition().decode()


async def test_gauges_can_be_read_before_the_start() -> None:
    server = InterfaceServer(settings(), FakeLayer)
    assert server.levels().connections == 0
    assert server.id == ""
    await server.close()


async def test_it_runs_over_the_in_memory_layer() -> None:
    bus = MemoryBus()
    server = InterfaceServer(settings(handshake_timeout_s=0.2), bus.interface)
    addresses = await server.start()
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as found:
            await client.ws_connect(addresses[0])
        # Nobody works: the handshake runs into its deadline, and the entry waits in the bus.
        assert found.value.status == 503
    assert [(item.channel, item.length) for item in bus.stats().channels] == [(CONNECT, 1)]
    assert [info.id for info in bus.stats().interfaces] == [server.id]
    await server.close()
    assert bus.stats().interfaces == []


async def test_being_fenced_during_a_drain_ends_it_and_starts_nothing_new(make_rig: MakeRig) -> None:
    rig = await make_rig(silent, drain_s=30.0)
    async with RawClient(*rig.address) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await rig.layer.entry(REQUEST)
        draining = asyncio.create_task(rig.server.drain())
        await until(lambda: rig.server.ready() == "draining")

        rig.layer.receiver.fenced()
        await draining

    assert len(rig.layers) == 1
    assert rig.server.ready() is not None

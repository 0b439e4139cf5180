"""The admin server: on the loopback unless somebody says otherwise, and nothing but figures in it."""

from __future__ import annotations

import ipaddress
import socket

import aiohttp
import pytest

from tests.security.raw import Raw
from tests.support.stack import Stack
from trunkline.deploy.settings import UpSettings
from trunkline.interface.settings import InterfaceSettings
from trunkline.protocol.process.admin import AdminServer
from trunkline.protocol.process.metrics import MetricSet
from trunkline.worker.settings import WorkerSettings


@pytest.mark.parametrize("settings", [InterfaceSettings, WorkerSettings, UpSettings])
def test_its_default_address_is_reached_from_this_machine_alone(settings: type[InterfaceSettings]) -> None:
    assert ipaddress.ip_address(settings.model_fields["admin_host"].default).is_loopback
    assert settings.model_fields["admin_port"].default == 0


def test_a_public_address_of_the_page_is_none_of_the_admin_server() -> None:
    opened = InterfaceSettings.model_validate({"host": "0.0.0.0"})

    assert opened.admin_host == "127.0.0.1"
    assert InterfaceSettings.model_validate({}).host == "127.0.0.1"


async def test_it_listens_where_it_was_told_and_shows_nothing_else() -> None:
    admin = AdminServer("127.0.0.1", 0, metrics=MetricSet(), ready=lambda: None)
    where = await admin.start()
    try:
        async with aiohttp.ClientSession() as session:
            statuses = {}
            for method, path in (
                ("GET", "/metrics"), ("GET", "/live"), ("GET", "/ready"), ("GET", "/"), ("GET", "/trip"),
                ("POST", "/metrics"), ("DELETE", "/live"), ("GET", "/debug"), ("GET", "/metrics/../live/x"),
            ):  # fmt: skip
                async with session.request(method, f"http://{where}{path}") as answer:
                    statuses[method, path] = answer.status
    finally:
        await admin.stop()

    shown = {key for key, status in statuses.items() if status == 200}
    assert shown == {("GET", "/metrics"), ("GET", "/live"), ("GET", "/ready")}
    assert set(statuses.values()) <= {200, 404, 405}


async def test_it_does_not_answer_on_another_address_of_this_machine() -> None:
    other = "127.0.0.2"  # any address of the loopback network is this machine's, on Linux
    with socket.socket() as probe:
        try:
            probe.bind((other, 0))
        except OSError:
            pytest.skip(f"this machine has no {other}")
    admin = AdminServer("127.0.0.1", 0, metrics=MetricSet(), ready=lambda: None)
    port = int((await admin.start()).rpartition(":")[2])
    try:
        with socket.socket() as client:
            client.settimeout(2)
            assert client.connect_ex((other, port)) != 0
    finally:
        await admin.stop()


async def test_metrics_name_no_connection_no_path_and_nothing_a_client_wrote(
    cluster: Stack, raw: Raw
) -> None:
    word = "wordofaclient"
    async with raw.client() as client:
        await client.upgrade(f"/{word}?{word}", f"\nX-{word}: {word}\nCookie: {word}")
        client.send(b"\x81\x80\0\0\0\0")
        await client.receive()
        await raw.send(f"GET /{word} HTTP/1.1\r\nHost: {word}\r\nConnection: close\r\n\r\n".encode())
        tenure = cluster.interfaces[0].tenure
        assert tenure is not None
        connections = [connection.id for connection in tenure.connections()]

        shown = cluster.workers[0].dispatcher.metrics.exposition().decode()

    assert len(connections) == 1 and "trunkline_messages_total" in shown
    assert word not in shown
    assert not any(connection in shown for connection in connections)

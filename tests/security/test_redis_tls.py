"""TLS to Redis: a chat runs over it; who cannot prove to be the host of the URL is refused, and told why."""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.protocol.layer_harness import Interface, Worker, lease_info
from tests.security.tls import Certificates, certificates, terminated
from tests.support.commands import ROOT
from tests.support.redis_server import RedisServer
from tests.support.sockets import Client
from tests.support.stack import stack
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.names import ChannelName
from trunkline.protocol.redis_layer import RedisInterfaceLayer, RedisOperatorLayer, RedisWorkerLayer
from trunkline.protocol.settings import LayerSettings
from trunkline.worker import Group, outside


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def port(redis_server: RedisServer, files: Certificates) -> AsyncIterator[int]:
    """Where the Redis of the tests speaks TLS as ``localhost``."""
    if not redis_server.url.startswith("unix://"):
        pytest.skip("REDIS_URL names a server that is not on a Unix socket: TLS cannot be put before it")
    async with terminated(Path(redis_server.url.removeprefix("unix://")), files.context()) as found:
        yield found


def over_tls(server: RedisServer, place: str, options: str) -> LayerSettings:
    values = {"redis_url": f"rediss://{place}?{options}", "prefix": server.fresh_prefix()}
    return LayerSettings.model_validate({**values, "interface_lease_s": 1.0, "worker_lease_s": 0.6})


async def test_a_chat_runs_over_tls(redis_server: RedisServer, files: Certificates, port: int) -> None:
    settings = over_tls(redis_server, f"localhost:{port}", f"ssl_ca_certs={files.authority}")
    async with stack("examples.chat.routing", "redis", redis=settings) as running, Client() as client:
        ann = await client.open(running.url("/chat/tls?username=ann"))
        await ann.send("hello")
        assert json.loads((await ann.hears(1))[0]) == {"message": "hello", "username": "ann"}
        assert len((await running.operator.stats()).workers) == 1
        await asyncio.to_thread(_send_from_outside, settings)


def _send_from_outside(settings: LayerSettings) -> None:
    with outside(settings.redis_url, settings.prefix):
        Group("anybody").send({"text": "x"})


@pytest.mark.parametrize(
    ("host", "authority", "reason"),
    [
        # The terminator listens there too, but its certificate is not for this name.
        ("127.0.0.1", True, "certificate"),
        # Nobody this machine trusts has signed it.
        ("localhost", False, "certificate"),
    ],
)
async def test_who_is_not_the_host_of_the_url_is_refused_by_everything_that_connects(
    redis_server: RedisServer, files: Certificates, port: int, host: str, authority: bool, reason: str
) -> None:
    options = f"ssl_ca_certs={files.authority}" if authority else "db=0"
    settings = over_tls(redis_server, f"app:s3cret@{host}:{port}", options)
    working, serving, operator = (
        RedisWorkerLayer(settings),
        RedisInterfaceLayer(settings),
        RedisOperatorLayer(settings),
    )
    worker, interface = Worker(working), Interface(serving)
    said = []
    try:
        for opening in (
            working.open(lease_info(worker.id, "worker"), [ChannelName("jobs")], worker),
            serving.open(lease_info(interface.id, "interface"), interface),
            operator.stats(),
            asyncio.to_thread(_send_from_outside, settings),
        ):
            with pytest.raises(LayerUnavailable) as refused:
                await opening
            said.append(str(refused.value).lower())
    finally:
        await serving.close()
        await working.close()
        await operator.close()

    assert all(reason in text for text in said), said
    assert not any("s3cret" in text for text in said)


async def test_a_redis_without_tls_behind_a_url_with_it_is_refused(redis_server: RedisServer) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"-ERR Protocol error\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    settings = over_tls(redis_server, f"localhost:{server.sockets[0].getsockname()[1]}", "db=0")
    operator = RedisOperatorLayer(settings)
    try:
        with pytest.raises(LayerUnavailable, match=r"(?i)ssl|tls"):
            await operator.stats()
    finally:
        await operator.close()
        server.close()


def test_every_redis_py_that_may_be_installed_checks_the_name_of_the_host() -> None:
    # Before 6.0 ssl_check_hostname was off unless somebody asked for it.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (wanted,) = [item for item in project["dependencies"] if item.startswith("redis>=")]

    assert int(wanted.removeprefix("redis>=").split(".")[0]) >= 6

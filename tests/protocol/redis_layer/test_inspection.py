"""What a Redis says about itself, and how much of it a user may ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.protocol.redis_layer.conftest import Faulty
from tests.security.acl.server import AclServer, acl_server
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.names import RECEIVE
from trunkline.protocol.operations import encode_mailbox
from trunkline.protocol.redis_layer import RedisOperatorLayer
from trunkline.protocol.redis_layer.inspection import is_local
from trunkline.protocol.redis_layer.scripts import SCRIPTS
from trunkline.protocol.settings import LayerSettings


@pytest.fixture(scope="module")
def server() -> Iterator[AclServer]:
    with acl_server() as running:
        yield running


async def test_it_tells_settings_slow_commands_clients_and_leases(faulty: Faulty) -> None:
    worker, interface = await faulty.worker(RECEIVE), await faulty.interface()
    faulty.client.config_set("slowlog-log-slower-than", "0")
    faulty.client.xadd(faulty.keys.mailbox(interface.id), {"b": encode_mailbox([])})
    faulty.client.xadd(faulty.keys.mailbox(interface.id), {"x": b"not ours"})
    waits = SCRIPTS["waits"]
    faulty.client.evalsha(faulty.client.script_load(waits.text), 1, faulty.keys.stream(RECEIVE), "workers")
    faulty.client.config_set("slowlog-log-slower-than", "10000000")
    operator = RedisOperatorLayer(faulty.settings)

    inspected = await operator.inspect(deep=True)
    again = await operator.inspect()
    await operator.close()

    (server,) = inspected.servers
    assert server.config["maxmemory-policy"] == "noeviction"
    assert "normal 0 0 0" in server.config["client-output-buffer-limit"]
    assert "requirepass" not in server.config
    assert "EVALSHA waits.lua" in {command.words for command in server.slow}
    assert all(len(command.words.split(" ")) <= 3 for command in server.slow)
    assert server.clients["trunkline-worker"] >= 0
    assert 0 < server.leases[worker.id] < 60 and 0 < server.leases[interface.id] < 60
    assert abs(server.clock_off_s) < 60 and server.local
    assert (server.lacking, server.unseen) == ((), ())
    assert inspected.waits_s[RECEIVE] == 0.0
    assert inspected.posted == (encode_mailbox([]),)
    assert not faulty.client.exists(faulty.keys.scratch)
    assert again.posted == () and again.servers[0].config == {}


async def test_what_stands_in_place_of_a_stream_is_told(faulty: Faulty) -> None:
    faulty.client.set(faulty.keys.stream("http.request"), "no stream")
    operator = RedisOperatorLayer(faulty.settings)

    inspected = await operator.inspect()
    await operator.close()

    assert inspected.waits_s == {}
    assert "how long entries wait: " in inspected.servers[0].unseen[0]


async def test_the_shipped_user_may_do_all_that_a_cluster_needs_and_does_not_see_settings(
    server: AclServer,
) -> None:
    operator = RedisOperatorLayer(LayerSettings.model_validate({"redis_url": server.url()}))

    inspected = await operator.inspect(deep=True)
    await operator.close()

    (found,) = inspected.servers
    assert found.lacking == () and found.config == {} and found.slow == () and found.clients == {}
    assert [text.partition(":")[0] for text in found.unseen] == [
        "the configuration (CONFIG GET)",
        "slow commands (SLOWLOG GET)",
        "the clients' buffers (CLIENT LIST)",
    ]
    assert all("user 'trunkline' may not run" in text for text in found.unseen)


async def test_a_user_with_the_rights_that_the_page_names_sees_all(server: AclServer) -> None:
    url = server.user_with("+config|get", "+slowlog|get", "+client|list")
    operator = RedisOperatorLayer(LayerSettings.model_validate({"redis_url": url}))

    inspected = await operator.inspect(deep=True)
    await operator.close()

    (found,) = inspected.servers
    assert found.unseen == () and found.config["maxmemory-policy"] == "noeviction" and found.clients


@pytest.mark.parametrize("lacks", ["hset", "zadd", "xgroup|delconsumer", "xclaim", "hrandfield"])
async def test_a_user_that_lacks_a_command_is_told_which(server: AclServer, lacks: str) -> None:
    operator = RedisOperatorLayer(LayerSettings.model_validate({"redis_url": server.user_without(lacks)}))

    inspected = await operator.inspect(deep=True)
    await operator.close()

    wanted = lacks.replace("|", " ").upper()
    # Redis 6.2 knows no subcommand within a script: without one it refuses the command as a whole.
    assert any(name.split(" ")[0] == wanted.split(" ")[0] for name in inspected.servers[0].lacking)


async def test_a_user_that_may_run_no_script_is_told_that(server: AclServer) -> None:
    operator = RedisOperatorLayer(LayerSettings.model_validate({"redis_url": server.user_without("eval")}))

    inspected = await operator.inspect(deep=True)
    await operator.close()

    found = inspected.servers[0].unseen
    assert found[0].startswith("which commands are allowed: user 'lacking' may not run EVAL")


async def test_a_redis_that_is_away_is_unavailable() -> None:
    operator = RedisOperatorLayer(LayerSettings.model_validate({"redis_url": "unix:///nowhere/s"}))
    with pytest.raises(LayerUnavailable):
        await operator.inspect()
    await operator.close()


@pytest.mark.parametrize(
    ("connection", "local"),
    [
        ({"path": "/run/s"}, True), ({"host": "127.0.0.1"}, True), ({"host": "localhost"}, True), ({}, False),
        ({"host": "::1"}, True), ({"host": "redis.internal"}, False), ({"host": "10.0.0.1"}, False),
    ],
)  # fmt: skip
def test_a_redis_is_on_this_machine_if_its_address_says_so(connection: dict[str, str], local: bool) -> None:
    assert is_local(connection) is local

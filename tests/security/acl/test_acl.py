"""The Redis user that is shipped: as small as can be, large enough for a cluster, and clear about what it lacks."""

from __future__ import annotations

import json
import logging

import pytest
import redis

from tests.protocol.layer_harness import Interface, Worker, lease_info
from tests.security.acl.commands import all_commands
from tests.security.acl.server import PASSWORD, AclServer, acl_line
from tests.support.sockets import Client
from tests.support.stack import stack
from tests.support.waiting import until
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.names import ChannelName, Keys
from trunkline.protocol.redis_layer import RedisInterfaceLayer, RedisOperatorLayer, RedisWorkerLayer
from trunkline.protocol.settings import LayerSettings
from trunkline.worker import Group, outside

JOBS = ChannelName("jobs")


def settings_of(url: str) -> LayerSettings:
    return LayerSettings.model_validate({"redis_url": url, "interface_lease_s": 1.0, "worker_lease_s": 0.6})


async def refusal(settings: LayerSettings) -> str:
    """What a worker is told that wants to start, or else an interface server."""
    working, serving = RedisWorkerLayer(settings), RedisInterfaceLayer(settings)
    worker, interface = Worker(working), Interface(serving)
    try:
        with pytest.raises(LayerUnavailable) as refused:
            await working.open(lease_info(worker.id, "worker"), [JOBS], worker)
            await serving.open(lease_info(interface.id, "interface"), interface)
    finally:
        await serving.close()
        await working.close()
    return str(refused.value)


def test_it_allows_exactly_the_commands_that_the_code_uses() -> None:
    allowed = {rule[1:] for rule in acl_line().split() if rule.startswith("+")}
    used = all_commands()

    mend = "run 'python -m tests.security.acl.commands', look at the difference, and commit it"
    assert (allowed - used, used - allowed) == (set(), set()), mend


def test_it_names_no_category_no_other_keys_and_no_channels() -> None:
    rules = acl_line().split()

    assert [rule for rule in rules if "@" in rule] == []
    assert [rule for rule in rules if rule[0] in "~%&"] == ["~trunkline:*"]
    assert "resetchannels" in rules and "nopass" not in rules and "allkeys" not in rules


def test_its_keys_are_those_of_the_default_prefix() -> None:
    assert Keys(LayerSettings.model_fields["prefix"].default).base.startswith("trunkline:")


@pytest.mark.parametrize(
    "command",
    [
        ("FLUSHALL",), ("FLUSHDB",), ("KEYS", "*"), ("SCAN", "0"), ("CONFIG", "GET", "*"), ("ACL", "LIST"),
        ("MONITOR",), ("DEBUG", "JMAP"), ("SHUTDOWN",), ("SAVE",), ("REPLICAOF", "NO", "ONE"), ("MODULE", "LIST"),
        ("CLIENT", "LIST"), ("CLIENT", "KILL", "ID", "1"), ("SCRIPT", "FLUSH"), ("SCRIPT", "KILL"),
        ("SUBSCRIBE", "x"), ("PUBLISH", "x", "y"), ("MIGRATE", "h", "1", "k", "0", "1"), ("GET", "other"),
        ("GET", "trunkline2:{0}:epoch"), ("SET", "trunklinex", "1"),
        ("EVAL", "return redis.call('GET', 'other')", "0"), ("EVAL", "return redis.call('FLUSHALL')", "0"),
    ],
)  # fmt: skip
def test_nothing_else_may_be_done_with_its_password(server: AclServer, command: tuple[str, ...]) -> None:
    server.admin.set("other", "secret")
    with redis.Redis.from_url(server.url()) as client, pytest.raises(redis.ResponseError) as refused:
        client.execute_command(*command)

    assert any(word in str(refused.value) for word in ("permission", "can't", "not allowed"))
    server.refusals()


async def test_a_chat_runs_as_this_user(acl_settings: LayerSettings) -> None:
    async with (
        stack("examples.chat.routing", "redis", interfaces=2, workers=2, redis=acl_settings) as running,
        Client() as client,
    ):
        ann = await client.open(running.url("/chat/room?username=ann", 0))
        bob = await client.open(running.url("/chat/room?username=bob", 1))
        await until(lambda: len(running.handled()) == 2 and sum(running.handled()) >= 2)
        await ann.send("hello")

        for socket in (ann, bob):
            (heard, *_) = await socket.hears(1)
            assert json.loads(heard) == {"message": "hello", "username": "ann"}
        stats = await running.operator.stats()
        assert (len(stats.interfaces), len(stats.workers)) == (2, 2)
    with outside(acl_settings.redis_url):
        Group("anybody").send({"text": "from outside"})
    layer = RedisOperatorLayer(acl_settings)
    assert "redis_version" in await layer.server_info()
    await layer.close()


@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        ("script|load", "may not run SCRIPT"),
        ("evalsha", "may not run EVALSHA"),
        ("xgroup|create", "may not run XGROUP"),
        ("zadd", "may not run ZADD"),
        ("hset", "may not run HSET"),
        ("time", "may not run TIME"),
        ("client|id", "may not run CLIENT"),
    ],
)
async def test_a_start_that_lacks_a_permission_says_which_user_lacks_which_command(
    server: AclServer, lacks: str, said: str
) -> None:
    text = await refusal(settings_of(server.user_without(lacks)))

    assert "user 'lacking'" in text and said in text, text
    assert "docs/redis.md" in text
    assert PASSWORD not in text


async def test_a_cluster_that_lacks_a_permission_only_later_says_so_in_its_log(
    server: AclServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    settings = settings_of(server.user_without("xreadgroup"))
    async with stack("examples.echo.routing", "redis", redis=settings):
        await until(lambda: "user 'lacking' may not run XREADGROUP" in caplog.text)

    assert PASSWORD not in caplog.text


async def test_keys_of_another_prefix_are_refused_by_name(server: AclServer) -> None:
    text = await refusal(settings_of(server.user_for_keys("~another:*")))

    assert "user 'stranger' may not use a key" in text


@pytest.mark.parametrize("user", ["trunkline", "nobody", "default"])
async def test_a_wrong_password_is_refused_by_the_users_name_and_not_shown(
    server: AclServer, user: str
) -> None:
    settings = settings_of(server.url(user, "wr/ng"))
    operator = RedisOperatorLayer(settings)
    said = [await refusal(settings)]
    with pytest.raises(LayerUnavailable) as refused:
        await operator.stats()
    said.append(str(refused.value))
    await operator.close()
    with pytest.raises(LayerUnavailable) as refused, outside(settings.redis_url):
        Group("all").send({"text": "x"})
    said.append(str(refused.value))

    for text in said:
        assert f"user {user!r} is not let in" in text
        assert "wr/ng" not in text and "wr%2Fng" not in text

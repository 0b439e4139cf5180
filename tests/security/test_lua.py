"""Handler data in the scripts of a real Redis: whatever it holds, it stays data, and nothing of another is touched."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.protocol.layer_harness import Cluster
from tests.test_tree import SCRIPTS as FILES
from trunkline.protocol import codec
from trunkline.protocol.messages import ChannelSend, Effect, Entry, GroupSend, Outcome, Post, SessionWrite
from trunkline.protocol.names import ChannelName, ConnectionId, GroupName, InterfaceId, Keys
from trunkline.protocol.redis_layer import RedisInterfaceLayer, RedisOperatorLayer, RedisWorkerLayer
from trunkline.protocol.settings import LayerSettings

JOBS, OTHER = ChannelName("jobs"), ChannelName("other")
ATTACKS = [
    "\0", "a\0b", "\r\n", "*1\r\n$8\r\nFLUSHALL\r\n", "{0}", "{", "}", "%d%s%n", "%", "'..redis.call('FLUSHALL')..'",
    '"]]', "]]", "--", "return 1", "' ; redis.call('FLUSHALL') --", "\x1b[2J", "P", "G", "A", "U", "0", "-1", "nil",
    "ü", "名" * 50, "\u202e", "\U0001f600", "x" * 70_000, " jobs ", "1 jobs body", "(%d+)-(%d+)",
]  # fmt: skip


class Sides:
    def __init__(self, values: LayerSettings) -> None:
        self.values = values

    def interface(self) -> RedisInterfaceLayer:
        return RedisInterfaceLayer(self.values)

    def worker(self) -> RedisWorkerLayer:
        return RedisWorkerLayer(self.values)

    def operator(self) -> RedisOperatorLayer:
        return RedisOperatorLayer(self.values)


@pytest.fixture
async def cluster(layer_settings: LayerSettings) -> AsyncIterator[Cluster]:
    running = Cluster(Sides(layer_settings))
    yield running
    await running.close()


@pytest.fixture
def client(layer_settings: LayerSettings) -> Iterator[redis.Redis]:
    with closing(redis.Redis.from_url(layer_settings.redis_url)) as opened:
        yield opened


def strangers(client: redis.Redis, keys: Keys) -> set[bytes]:
    """Keys that are not this deployment's."""
    found: Any = client.scan_iter(count=1000)
    return {key for key in found if not key.startswith(keys.base.encode())}


def body_of(text: str) -> bytes:
    """An entry that has the text wherever a text can be."""
    return codec.encode_entry(
        Entry(JOBS, None, text, 0, [{"text": text, text: text, "bytes": text.encode()}], text)
    )


async def test_text_that_waits_for_its_time_comes_as_it_is(
    cluster: Cluster, client: redis.Redis, layer_settings: LayerSettings
) -> None:
    keys = Keys(layer_settings.prefix)
    before = strangers(client, keys)
    worker = await cluster.worker(OTHER)
    bodies = [body_of(text) for text in ATTACKS]

    await worker.apply(*(ChannelSend(OTHER, body, 1) for body in bodies))

    assert {found.body for found in await worker.take(len(bodies))} == set(bodies)
    assert strangers(client, keys) == before


@pytest.mark.parametrize("text", ATTACKS)
async def test_text_goes_through_every_kind_of_effect_as_it_is(
    cluster: Cluster, client: redis.Redis, layer_settings: LayerSettings, text: str
) -> None:
    keys = Keys(layer_settings.prefix)
    client.set(f"{layer_settings.prefix}-canary", "alive")
    before = strangers(client, keys)
    interface, worker = await cluster.interface(), await cluster.worker(JOBS, OTHER)
    body = body_of(text)
    interface.publish(JOBS, body)
    delivery = await worker.take_one()
    assert delivery.body == body
    room = GroupName("room")

    effects: list[Effect] = [
        interface.add("room", "c"),
        Post(interface.id, codec.encode_send(ConnectionId("c"), -1, text)),
        GroupSend(room, codec.encode_group_send(room, text.encode())),
        SessionWrite(interface.id, ConnectionId("c"), codec.encode_session({text or "k": text})),
        ChannelSend(OTHER, body),
    ]
    await worker.finish(delivery, *effects)

    assert await interface.receive(2) == [text, text.encode()]
    assert (await worker.take_one()).body == body
    assert codec.decode_session((await worker.sessions("c"))[0]) == {text or "k": text}
    assert strangers(client, keys) == before
    assert client.get(f"{layer_settings.prefix}-canary") == b"alive"


# One example after the other on the same sides: they are independent of each other by their numbers.
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    group=st.from_regex(re.compile(r"[\w\-.:@+/=]{1,40}"), fullmatch=True).filter(
        lambda n: len(n.encode()) <= 200
    ),
    connection=st.from_regex(re.compile(r"[A-Za-z0-9_\-]{1,40}", re.ASCII), fullmatch=True),
    data=st.binary(max_size=200),
)
def test_names_and_bytes_make_only_the_keys_that_they_should(
    client: redis.Redis, layer_settings: LayerSettings, group: str, connection: str, data: bytes
) -> None:
    from trunkline.protocol.redis_layer.sender import RedisSender

    keys = Keys(layer_settings.prefix)
    before = {key for key in client.scan_iter(match=f"{keys.base}*", count=1000)}
    with closing(RedisSender(layer_settings)) as sender:
        sender.apply(
            [
                # Nobody holds this interface id: nothing is made for it.
                Post(InterfaceId(connection), data),
                GroupSend(GroupName(group), data),
                SessionWrite(InterfaceId("i0"), ConnectionId(connection), b"x" + data),
            ]
        )

    made = {key for key in client.scan_iter(match=f"{keys.base}*", count=1000)} - before
    assert made <= {keys.session(connection).encode(), keys.stood.encode()}
    assert client.get(keys.session(connection)) == b"x" + data


async def test_a_group_of_any_name_reaches_its_members_and_no_others(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    odd = [
        "a:b",
        "a",
        "a:b:c",
        "名前",
        "x@y.z",
        "a+b=c",
        "group:a",
        "..",
        "-",
        "_",
        "ⅷ",
        "Å",
        "Å",
        "a/b/../c",
    ]
    interface.publish(JOBS, *(codec.encode_entry(Entry(JOBS, None, None, 0, [{"n": n}])) for n in range(2)))
    first, second = await worker.take(2)

    await worker.finish(first, *(interface.add(name, f"c{number}") for number, name in enumerate(odd)))
    sends = [GroupSend(GroupName(name), codec.encode_group_send(GroupName(name), name)) for name in odd]
    assert await worker.commit(Outcome(second, list(sends))) == 1

    assert await interface.receive(len(odd)) == odd
    added = [operation[1:] for operation in interface.operations if operation[0] == codec.GROUP_ADD]
    assert added == [[name, f"c{number}"] for number, name in enumerate(odd)]


@pytest.mark.parametrize("script", FILES, ids=lambda script: script.name)
def test_a_script_makes_no_code_and_no_pattern_of_what_it_is_given(script: Any) -> None:
    text = "\n".join(line.partition("--")[0] for line in script.read_text().splitlines())

    assert not re.search(r"\b(loadstring|load|dofile|setfenv|rawset|cjson|cmsgpack|struct|debug)\b", text)
    # What is searched for is the script's own text, or taken as plain text ("true" as fourth argument).
    for call in re.findall(r"string\.(?:find|match|gmatch|gsub)\(((?:[^()]|\([^()]*\))*)\)", text):
        assert re.search(r"'[^']*'", call) or call.rstrip().endswith("true"), call
    # Keys are KEYS, the base with a kind behind it, or variables made so.
    for key in re.findall(r"redis\.p?call\('(?!TIME)[A-Z]+', ([^,)]+)", text):
        assert not re.match(r"ARGV\[(?!1\])", key), key

"""An interface server on several shards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.interface.conftest import settings
from tests.support.fake_layer import FakeLayer, connection_of, disconnects, echo
from tests.support.waiting import until
from trunkline.interface.connection import Connection
from trunkline.interface.newcomers import follow
from trunkline.interface.server import InterfaceServer
from trunkline.interface.shard import least
from trunkline.interface.tenure import Tenure
from trunkline.protocol.codec import GROUP_ADD, GROUP_DISCARD, GROUP_SEND, RELEASE, SEND
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.layer import InterfaceReceiver
from trunkline.protocol.messages import LeaseInfo
from trunkline.protocol.names import CONNECT, RECEIVE, ConnectionId, GroupName, shard_of
from trunkline.protocol.process.metrics import MetricSet

ROOM = GroupName("room")


class Two:
    """An interface server on two shards, and a client."""

    def __init__(self, **values: Any) -> None:
        self.layers: list[FakeLayer] = []
        self.metrics = MetricSet()
        self.server = InterfaceServer(settings(**values), [self._make, self._make], self.metrics)
        self.client: aiohttp.ClientSession
        self.url = ""
        self._sockets: list[aiohttp.ClientWebSocketResponse] = []  # aiohttp closes those that nobody holds

    def _make(self) -> FakeLayer:
        self.layers.append(FakeLayer(echo))
        return self.layers[-1]

    async def start(self) -> Two:
        self.url = (await self.server.start())[0]
        self.client = aiohttp.ClientSession()
        return self

    @property
    def tenure(self) -> Tenure:
        assert self.server.tenure is not None
        return self.server.tenure

    @property
    def loads(self) -> list[int]:
        return [shard.load for shard in self.tenure.shards]

    async def websocket(self, path: str = "/") -> tuple[aiohttp.ClientWebSocketResponse, Connection]:
        """Opens a WebSocket; gives both ends."""
        known = set(self.tenure.connections())
        socket = await self.client.ws_connect(self.url + path)
        self._sockets.append(socket)
        (found,) = set(self.tenure.connections()) - known
        return socket, found

    async def on(self, shard: int) -> tuple[aiohttp.ClientWebSocketResponse, Connection]:
        """Opens WebSockets until one lives on a shard."""
        while True:
            socket, connection = await self.websocket()
            if connection.shard.number == shard:
                return socket, connection

    async def stop(self) -> None:
        await self.server.close()
        for socket in self._sockets:
            await socket.close()
        await self.client.close()


@pytest.fixture
async def two() -> AsyncIterator[Two]:
    made = await Two().start()
    yield made
    await made.stop()


@given(st.lists(st.none() | st.integers(0, 3), min_size=1, max_size=4), st.data())
def test_a_newcomer_goes_to_a_least_loaded_shard_that_lets_in(
    loads: list[int | None], data: st.DataObject
) -> None:
    behind = data.draw(st.integers(0, len(loads) - 1))
    shard = least(loads, behind)

    some = [load for load in loads if load is not None]
    assert (shard is None) == (not some)
    if shard is not None:
        assert loads[shard] == min(some)


def test_of_equal_shards_the_next_in_turn_is_taken() -> None:
    assert [least([0, 0, 0], behind) for behind in range(3)] == [1, 2, 0]


async def test_connections_are_spread_and_their_ids_tell_where_they_live(two: Two) -> None:
    for _ in range(4):
        await two.websocket()

    for number, layer in enumerate(two.layers):
        connects = layer.of(CONNECT)
        assert [shard_of(connection_of(entry)) for entry in connects] == [number] * 2
    assert two.loads == [2, 2]
    async with two.client.get(two.url) as response:
        assert response.status == 200
    await until(lambda: two.loads == [2, 2], 5, "the request is forgotten")


async def test_a_shard_that_is_away_holds_its_connections_and_no_others(two: Two) -> None:
    here, one = await two.on(0)
    there, other = await two.on(1)
    two.layers[1].receiver.away()

    assert (one.paused, other.paused) == (False, True)
    await here.send_str("a")
    assert await here.receive_str() == "a"
    for _ in range(3):
        assert (await two.websocket())[1].shard.number == 0
    assert two.server.ready() is None
    text = two.metrics.exposition().decode()
    assert 'trunkline_shard_up{shard="0"} 1.0' in text
    assert 'trunkline_shard_up{shard="1"} 0.0' in text
    assert two.tenure.away == [1]

    two.layers[0].receiver.away()
    assert two.server.ready() == "the channel layer does not answer"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await two.websocket()
    assert refused.value.status == 503

    for layer in two.layers:
        layer.receiver.back()
    await there.send_str("b")
    assert await there.receive_str() == "b"


async def test_each_shard_is_told_only_of_its_own_connections(two: Two) -> None:
    await two.on(1)
    _, connection = await two.on(0)

    held = [layer.receiver.holdings() for layer in two.layers]

    for number, holdings in enumerate(held):
        assert {shard_of(name) for name in holdings.connections} == {number}
    assert connection.id in held[0].connections


async def test_what_one_shard_lost_is_published_again_there_alone(two: Two) -> None:
    sockets = [await two.on(shard) for shard in (0, 1)]
    for layer in two.layers:
        layer.answer = lambda entry, connection: None
    for socket, _ in sockets:
        await socket.send_str("lost?")
    entries = [await layer.entry(RECEIVE) for layer in two.layers]

    two.layers[1].receiver.republish(0, 99)

    assert await two.layers[1].entry(RECEIVE, 1) == entries[1]
    assert len(two.layers[0].of(RECEIVE)) == 1


async def test_fenced_on_one_shard_it_starts_over_on_both_and_gives_the_other_up_in_order(two: Two) -> None:
    socket, _ = await two.on(0)
    old, layers = two.tenure, two.layers[:]

    layers[1].receiver.fenced()
    layers[0].receiver.fenced()

    assert (await socket.receive()).data == 1012
    await until(lambda: two.server.ready() is None, 10, "it starts over")
    assert two.tenure.id != old.id
    assert all(layer.closed for layer in layers)
    assert layers[0].retired
    assert [layer.info.id for layer in two.layers[2:] if layer.info] == [two.tenure.id] * 2
    assert two.server.metrics.fenced.value == 1
    await two.websocket()


async def test_a_drain_says_the_disconnects_on_each_shard_and_gives_up_both_leases(two: Two) -> None:
    connections = [(await two.on(shard))[1] for shard in (0, 1)]

    await two.server.drain()

    for layer, connection in zip(two.layers, connections, strict=True):
        assert (connection.id, 1012) in disconnects(layer)
        assert layer.retired


async def test_it_does_not_start_while_a_shard_does_not_answer() -> None:
    made: list[FakeLayer] = []

    class Refusing(FakeLayer):
        async def open(self, info: LeaseInfo, receiver: InterfaceReceiver) -> None:
            raise LayerUnavailable("gone fishing")

    def make() -> FakeLayer:
        made.append(FakeLayer() if not made else Refusing())
        return made[-1]

    server = InterfaceServer(settings(), [make, make])
    with pytest.raises(LayerUnavailable, match="shard 1: gone fishing"):
        await server.start()
    await server.close()
    assert made[0].closed


# ---- groups ----


async def receives_nothing(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Asks the server for a pong: what it had to say before has come by then."""
    await socket.ping()
    with pytest.raises(TimeoutError):
        await socket.receive(timeout=0.05)


async def test_the_first_member_waits_until_every_shard_knows_its_group(two: Two) -> None:
    here, other = two.layers
    other.slow = True
    socket, connection = await two.on(0)
    here.answer = lambda entry, name: [
        [GROUP_ADD, ROOM, name],
        [RELEASE, name, entry.seq, ["joined"]],
        [SEND, name, -1, "behind"],
    ]

    await socket.send_str("join")
    await other.until(lambda: ROOM in other.joins)
    here.mail([GROUP_SEND, ROOM, "later"])
    here.mail([GROUP_SEND, ROOM, {"text": "last"}])
    await receives_nothing(socket)
    assert ROOM not in here.joins

    token, done = other.joins[ROOM]
    done()
    assert [await socket.receive_str() for _ in range(4)] == ["joined", "behind", "later", "last"]
    assert token.startswith("0-")
    assert other.receiver.holdings().groups == {ROOM: token}
    assert type(connection) is Connection


async def test_the_second_member_waits_for_nothing_once_all_shards_know_the_group(two: Two) -> None:
    _, first = await two.on(0)
    second_socket, second = await two.on(1)
    two.layers[0].mail([GROUP_ADD, ROOM, first.id])
    await until(lambda: type(first) is Connection, 5, "every shard knows the group")
    two.layers[1].joins.clear()

    two.layers[1].mail([GROUP_ADD, ROOM, second.id], [SEND, second.id, -1, "in"])

    assert await second_socket.receive_str() == "in"
    assert not two.layers[0].joins.keys() - {ROOM}
    two.layers[0].mail([GROUP_SEND, ROOM, "to all"])
    assert await second_socket.receive_str() == "to all"


async def test_the_last_member_leaves_on_every_shard(two: Two) -> None:
    socket, connection = await two.on(0)
    token = two.layers[0].mail([GROUP_ADD, ROOM, connection.id])
    await two.layers[1].until(lambda: ROOM in two.layers[1].joins)

    await socket.close()

    await two.layers[0].until(lambda: two.layers[0].left == [(ROOM, token)])
    assert two.layers[1].left == [(ROOM, two.layers[1].joins[ROOM][0])]


async def test_who_leaves_again_before_all_shards_know_the_group_waits_no_longer(two: Two) -> None:
    two.layers[1].slow = True
    socket, connection = await two.on(0)

    two.layers[0].mail([GROUP_ADD, ROOM, connection.id], [SEND, connection.id, -1, "kept"])
    two.layers[0].mail([GROUP_DISCARD, ROOM, connection.id])

    assert await socket.receive_str() == "kept"
    assert len(two.layers[1].left) == 1
    # The answer comes all the same.
    two.layers[1].joins[ROOM][1]()
    assert type(connection) is Connection


async def test_every_shard_that_was_asked_must_answer(two: Two) -> None:
    joins = two.tenure.joins
    assert joins is not None
    joins._asked[ROOM] = {1, 2}  # as of three shards

    joins._answered(ROOM, 1)
    assert joins._asked == {ROOM: {2}}

    joins._answered(ROOM, 2)
    assert not joins._asked


async def test_an_answer_about_a_group_that_was_left_meanwhile_is_late(two: Two) -> None:
    joins = two.tenure.joins
    assert joins is not None
    _, connection = await two.on(0)

    joins._answered(ROOM, 1)

    assert type(connection) is Connection, "nobody waits"


async def test_of_two_groups_both_must_be_known(two: Two) -> None:
    other = two.layers[1]
    other.slow = True
    socket, connection = await two.on(0)
    lobby = GroupName("lobby")

    two.layers[0].mail([GROUP_ADD, ROOM, connection.id], [GROUP_ADD, lobby, connection.id])
    two.layers[0].mail([SEND, connection.id, -1, "now"])
    other.joins[ROOM][1]()
    await receives_nothing(socket)
    other.joins[lobby][1]()

    assert await socket.receive_str() == "now"


async def test_what_waits_for_a_shard_that_stays_away_is_bounded() -> None:
    two = await Two(outbound_bytes=4096).start()
    two.layers[1].slow = True
    socket, connection = await two.on(0)

    two.layers[0].mail([GROUP_ADD, ROOM, connection.id])
    for _ in range(5):
        two.layers[0].mail([GROUP_SEND, ROOM, "x" * 1000])

    while (frame := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
        pass
    assert frame.data == 1013
    assert two.server.metrics.drops.get("joining").value == 1
    await until(lambda: not two.tenure.groups, 5, "the group is left")
    await two.stop()


async def test_a_handshake_that_waits_for_a_shard_is_refused_at_the_bound() -> None:
    two = await Two(outbound_bytes=4096).start()
    for layer in two.layers:
        layer.slow = True
        layer.answer = lambda entry, name: [
            [GROUP_ADD, ROOM, name],
            [SEND, name, -1, "x" * 5000],
            [RELEASE, name, entry.seq, [{"accept": True}]],
        ]

    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await two.client.ws_connect(two.url)

    assert refused.value.status == 503
    await two.stop()


async def test_a_fault_in_what_waited_does_not_take_the_rest_with_it(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = two.layers[1]
    other.slow = True
    socket, connection = await two.on(0)
    two.layers[0].mail([GROUP_ADD, ROOM, connection.id])
    two.layers[0].mail([RELEASE, connection.id, 5, []], [SEND, connection.id, -1, "fine"])

    def fail(self: Connection, *args: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Connection, "released", fail)
    waiting = two.tenure.joins
    assert waiting is not None
    waiting.keep(connection, lambda: fail(connection), 0)
    other.joins[ROOM][1]()

    assert await socket.receive_str() == "fine"
    assert two.server.metrics.drops.get("fault").value >= 1


async def test_a_trip_and_a_request_live_on_a_shard_too(two: Two) -> None:
    for _ in range(2):
        async with two.client.post(two.url, data=b"body") as response:
            assert await response.read() == b"body"
    assert [len(layer.entries) for layer in two.layers] == [1, 1]
    await until(lambda: two.tenure.recipients == {}, 5, "both are forgotten")
    assert two.loads == [0, 0]


def test_ids_of_before_live_on_the_first_shard() -> None:
    assert shard_of(ConnectionId("abcdefghijklmnopqrst")) == 0


async def test_newcomers_use_as_many_shards_as_they_are_told_to() -> None:
    used: list[int | None] = [1]
    looked = asyncio.Event()

    async def tell() -> int | None:
        return used[0]

    async def sleep(seconds: float) -> None:
        looked.set()
        await go_on.wait()
        go_on.clear()

    go_on = asyncio.Event()
    server = InterfaceServer(settings(), [FakeLayer, FakeLayer], used_shards=tell)
    await server.start()
    tenure, shared = server.tenure, server.shared
    assert tenure is not None and shared is not None
    assert {shard_of(tenure.new_id()[0]) for _ in range(4)} == {0}
    tenure.shards[0].up = False
    assert not tenure.up, "a shard that is not in use lets nobody in"
    tenure.shards[0].up = True

    following = asyncio.create_task(follow(shared, tell, sleep))
    for number in (None, 2):
        await looked.wait()
        looked.clear()
        used[0] = number
        go_on.set()
    await looked.wait()
    assert {shard_of(tenure.new_id()[0]) for _ in range(4)} == {0, 1}
    following.cancel()
    await server.close()

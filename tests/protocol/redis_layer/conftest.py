"""A Redis of its own for the tests that stop it, and sides that note what they are told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest
import redis

from tests.protocol.layer_harness import Interface, Worker, lease_info
from tests.support import redis_server as servers
from tests.support.redis_server import RedisServer
from trunkline.protocol.layer import Holdings
from trunkline.protocol.names import ChannelName, Keys
from trunkline.protocol.redis_layer import RedisInterfaceLayer, RedisWorkerLayer
from trunkline.protocol.settings import LayerSettings
from trunkline.protocol.tracks import MAIN, Share


class NotingInterface(Interface):
    """An interface server that notes faults instead of failing on them."""

    def __init__(self, layer: RedisInterfaceLayer) -> None:
        super().__init__(layer)
        self.told: list[str] = []
        self.lost: list[tuple[int, int]] = []
        self.begun_anew: list[tuple[int, int, ChannelName]] = []
        self.held = Holdings({}, {})
        self.shares: list[Share] = []

    def away(self) -> None:
        self.told.append("away")

    def back(self) -> None:
        self.told.append("back")

    def fenced(self) -> None:
        self.told.append("fenced")

    def holdings(self) -> Holdings:
        return self.held

    def share_out(self, shares: Sequence[Share], now_ms: int) -> None:
        self.shares = list(shares)

    def republish(self, after: int, up_to: int, channel: ChannelName | None = None) -> None:
        if channel is None:
            self.lost.append((after, up_to))
        else:
            self.begun_anew.append((after, up_to, channel))


class NotingWorker(Worker):
    """A worker that notes faults instead of failing on them."""

    def __init__(self, layer: RedisWorkerLayer) -> None:
        super().__init__(layer)
        self.redis_layer = layer
        self.told: list[str] = []

    def away(self, shard: int = 0) -> None:
        self.told.append("away")

    def back(self, shard: int = 0) -> None:
        self.told.append("back")


class Faulty:
    """A Redis, a raw client on it, and sides that survive what is done to it."""

    def __init__(self, settings: LayerSettings, client: redis.Redis) -> None:
        self.settings = settings
        self.client = client
        self.keys = Keys(settings.prefix)
        self._opened: list[RedisInterfaceLayer | RedisWorkerLayer] = []

    async def interface(self) -> NotingInterface:
        layer = RedisInterfaceLayer(self.settings)
        interface = NotingInterface(layer)
        self._opened.append(layer)
        await layer.open(lease_info(interface.id, "interface"), interface)
        return interface

    async def worker(self, *channels: ChannelName, track: str = MAIN) -> NotingWorker:
        layer = RedisWorkerLayer(self.settings, track=track)
        worker = NotingWorker(layer)
        self._opened.append(layer)
        await layer.open(lease_info(worker.id, "worker"), channels, worker)
        return worker

    def cut(self, names: Sequence[str]) -> None:
        """Cuts the connections with these client names, as a broken network would."""
        for client in self.client.client_list():
            if client["name"] in names:
                self.client.client_kill_filter(_id=client["id"])

    def bodies(self, channel: ChannelName) -> list[bytes]:
        """What stands in a channel's stream."""
        found: Any = self.client.xrange(self.keys.stream(channel))
        return [fields[b"b"] for _, fields in found]

    async def close(self) -> None:
        for layer in self._opened:
            await layer.close()


@pytest.fixture(scope="module")
def own_redis() -> Iterator[RedisServer]:
    """A Redis that a test may stop, flush and cut: never somebody else's."""
    binary = servers.find_binary()
    if binary is None:
        pytest.fail(servers.MISSING, pytrace=False)
    with servers.own(binary) as server:
        yield server


@asynccontextmanager
async def faulty_on(server: RedisServer, **settings: object) -> AsyncIterator[Faulty]:
    values = {
        "redis_url": server.url,
        "prefix": server.fresh_prefix(),
        "interface_lease_s": 1.0,
        "worker_lease_s": 0.6,
        **settings,
    }
    with closing(redis.Redis.from_url(server.url)) as client:
        faulty = Faulty(LayerSettings.model_validate(values), client)
        try:
            yield faulty
        finally:
            await faulty.close()


@pytest.fixture
async def faulty(own_redis: RedisServer) -> AsyncIterator[Faulty]:
    """Sides on a Redis of the tests' own."""
    async with faulty_on(own_redis) as value:
        yield value

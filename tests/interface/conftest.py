"""A running interface server on real sockets over a scripted layer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import uvloop

from tests.support.fake_layer import Answer, FakeLayer, echo
from trunkline.interface.connection import Connection
from trunkline.interface.server import InterfaceServer
from trunkline.interface.settings import InterfaceSettings
from trunkline.interface.shared import Shared
from trunkline.interface.turns import QueueWait
from trunkline.protocol.process.metrics import MetricSet
from trunkline.protocol.process.tracing import OpenTracing, no_tracing

ON_BOTH_LOOPS = {
    "test_connection",
    "test_door",
    "test_inherited",
    "test_limits",
    "test_listener",
    "test_message_rate",
    "test_outbound",
}
"""Modules whose sockets must do the same on asyncio's own loop."""


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tests run on the loop of production: its transports differ from asyncio's in more than speed."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"uvloop": uvloop.new_event_loop}
    if item.path.stem in ON_BOTH_LOOPS:
        loops["asyncio"] = asyncio.new_event_loop
    return loops


def settings(**values: Any) -> InterfaceSettings:
    """Settings for a test: any free port, short times."""
    return InterfaceSettings.model_validate({"port": 0, "drain_s": 3.0, "close_timeout_s": 0.5, **values})


class Ticks:
    """A clock for the heartbeat that only the test turns."""

    def __init__(self) -> None:
        self._ticks: asyncio.Queue[None] = asyncio.Queue()
        self._running = False

    async def sleep(self, seconds: float) -> None:
        """Ends at the next `turn`."""
        if self._running:
            self._ticks.task_done()
        await self._ticks.get()
        self._running = True

    async def turn(self, times: int = 1) -> None:
        """Lets so many ticks pass."""
        for _ in range(times):
            self._ticks.put_nowait(None)
        await self._ticks.join()


class Rig:
    """An interface server, its layers and a client.

    Attributes:
        layers: one for each tenure, the present one last.
    """

    def __init__(
        self,
        values: InterfaceSettings,
        answer: Answer,
        ticks: Ticks | None = None,
        queue_wait: QueueWait | None = None,
        tracing: OpenTracing = no_tracing,
    ) -> None:
        self.settings = values
        self.answer = answer
        self.layers: list[FakeLayer] = []
        self.metric_set = MetricSet()
        self.deaths: list[str] = []
        options: dict[str, Any] = {"queue_wait": queue_wait, "tracing": tracing}
        if ticks is not None:
            options["sleep"] = ticks.sleep
        self.server = InterfaceServer(
            values, self.make_layer, self.metric_set, lambda name, error: self.deaths.append(name), **options
        )
        self.addresses: list[str] = []
        self.client: aiohttp.ClientSession

    def make_layer(self) -> FakeLayer:
        """The layer of the next tenure."""
        self.layers.append(FakeLayer(self.answer))
        return self.layers[-1]

    @property
    def layer(self) -> FakeLayer:
        """The layer of the present tenure."""
        return self.layers[-1]

    @property
    def url(self) -> str:
        """Where the server listens."""
        return self.addresses[0]

    @property
    def address(self) -> tuple[str, int]:
        """The same as host and port."""
        host, _, port = self.url.rpartition("/")[2].rpartition(":")
        return host, int(port)

    async def start(self) -> Rig:
        """Starts it."""
        self.addresses = await self.server.start("admin:1")
        self.client = aiohttp.ClientSession()
        return self

    async def stop(self) -> None:
        """Ends it."""
        if self.addresses:
            await self.client.close()
        await self.server.close()

    async def websocket(self, path: str = "/", **options: Any) -> aiohttp.ClientWebSocketResponse:
        """Opens a WebSocket."""
        socket: aiohttp.ClientWebSocketResponse = await self.client.ws_connect(self.url + path, **options)
        return socket

    @property
    def shared(self) -> Shared:
        """What the server's tenures share."""
        assert self.server.shared is not None
        return self.server.shared

    def connections(self) -> list[Connection]:
        """The server's connections."""
        assert self.server.tenure is not None
        return self.server.tenure.connections()

    def turned_away(self, reason: str) -> int:
        """How many clients were refused or closed at a limit."""
        return self.server.metrics.turned_away.get(reason).value

    def drops(self, reason: str) -> int:
        """How much was dropped for a reason."""
        return self.server.metrics.drops.get(reason).value


MakeRig = Callable[..., Awaitable[Rig]]


@pytest.fixture
async def make_rig() -> AsyncIterator[MakeRig]:
    """Starts interface servers and stops them behind the test."""
    rigs: list[Rig] = []

    async def make(
        answer: Answer = echo,
        ticks: Ticks | None = None,
        queue_wait: QueueWait | None = None,
        tracing: OpenTracing = no_tracing,
        **values: Any,
    ) -> Rig:
        rigs.append(Rig(settings(**values), answer, ticks, queue_wait, tracing))
        return await rigs[-1].start()

    yield make
    for rig in rigs:
        await rig.stop()


@pytest.fixture
async def rig(make_rig: MakeRig) -> Rig:
    """An interface server that echoes."""
    return await make_rig()

"""Interface servers and workers in the test's own process, over either layer: everything real but the processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from prometheus_client.parser import text_string_to_metric_families

from trunkline.interface.server import InterfaceServer
from trunkline.interface.settings import InterfaceSettings
from trunkline.protocol.layer import InterfaceLayer, OperatorLayer, WorkerLayer
from trunkline.protocol.memory import MemoryBus
from trunkline.protocol.redis_layer import shards
from trunkline.protocol.settings import LayerSettings
from trunkline.worker.declarations import Routes
from trunkline.worker.process import WorkerProcess
from trunkline.worker.routing import Routing
from trunkline.worker.settings import WorkerOptions

LayerKind = Literal["memory", "redis"]


@dataclass(frozen=True, slots=True)
class _Sides:
    """Makes the sides of one layer."""

    interface: Callable[[], InterfaceLayer] | Sequence[Callable[[], InterfaceLayer]]
    worker: Callable[[], WorkerLayer]
    operator: Callable[[], OperatorLayer]
    shards: int = 1


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs.

    Attributes:
        interfaces: the interface servers.
        workers: the workers.
        operator: the layer as people's commands see it.
        addresses: ``http://host:port`` of each interface server.
    """

    interfaces: list[InterfaceServer]
    workers: list[WorkerProcess]
    operator: OperatorLayer
    addresses: list[str]

    def url(self, path: str, interface: int = 0) -> str:
        """Address of a path at one of the interface servers."""
        return self.addresses[interface] + path

    def handled(self) -> list[int]:
        """How many messages each worker has handled."""
        return [_messages(worker.dispatcher.metrics.exposition().decode()) for worker in self.workers]


Run = Callable[[str], AbstractAsyncContextManager[Stack]]
"""Runs a routing module on the layer that a test was given."""


def _messages(exposition: str) -> int:
    families = text_string_to_metric_families(exposition)
    return int(
        sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == "trunkline_messages_total"
        )
    )


def _sides(layer: LayerKind, settings: LayerSettings) -> _Sides:
    if layer == "memory":
        bus = MemoryBus(settings.capacity, settings.dead_capacity)
        return _Sides(bus.interface, bus.worker, bus.operator)
    return _Sides(
        shards.interface_layers(settings),
        lambda: shards.worker_layer(settings),
        lambda: shards.operator_layer(settings),
        shards.count(settings),
    )


@asynccontextmanager
async def stack(
    routing: str | Routes,
    layer: LayerKind = "memory",
    interfaces: int = 1,
    workers: int = 1,
    *,
    redis: LayerSettings | None = None,
    static: Sequence[str] = (),
    interface_options: dict[str, Any] | None = None,
    worker_options: dict[str, Any] | None = None,
) -> AsyncIterator[Stack]:
    """Starts a cluster in this process, drains it in the end.

    Args:
        routing: module with a ``channel_routing`` list, or such a list.
        layer: which layer carries the messages.
        interfaces: how many interface servers, each on a port of its own.
        workers: how many workers.
        redis: settings of the Redis layer, as the fixture ``layer_settings`` has them.
        static: ``URL=DIR`` as for ``--static``.
        interface_options: further settings of the interface servers.
        worker_options: further settings of the workers.
    """
    if layer == "redis" and redis is None:
        raise ValueError("stack(layer='redis') needs redis=layer_settings")
    shared = redis or LayerSettings.model_validate({})
    sides = _sides(layer, shared)
    common = {name: getattr(shared, name) for name in LayerSettings.model_fields}
    on_interfaces = InterfaceSettings(
        **{**common, "port": 0, "static": list(static), **(interface_options or {})}
    )
    on_workers = WorkerOptions(**{**common, **(worker_options or {})})
    table = Routing.load(routing)
    async with AsyncExitStack() as ends:
        operator = sides.operator()
        ends.push_async_callback(operator.close)
        running = [
            WorkerProcess(on_workers, sides.worker(), table, shards=sides.shards) for _ in range(workers)
        ]
        for worker in running:
            await worker.start()
            ends.push_async_callback(worker.drain)
        servers = [InterfaceServer(on_interfaces, sides.interface) for _ in range(interfaces)]
        addresses = []
        for server in servers:
            # Also after a start that fails half-way.
            ends.push_async_callback(server.close)
            addresses.append((await server.start())[0])
            ends.push_async_callback(server.drain)
        yield Stack(servers, running, operator, addresses)

"""An interface server and a worker in one process and one event loop: what `trunkline dev` serves and tests talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from trunkline.interface.server import InterfaceServer
from trunkline.interface.settings import InterfaceSettings
from trunkline.protocol.layer import InterfaceLayer, WorkerLayer
from trunkline.protocol.memory import MemoryBus, MemoryInterfaceLayer, MemoryWorkerLayer
from trunkline.protocol.process.tracing import OpenTracing, no_tracing
from trunkline.worker.process import WorkerProcess
from trunkline.worker.routing import Routing
from trunkline.worker.settings import WorkerOptions

Layers = tuple[Sequence[Callable[[], InterfaceLayer]], WorkerLayer]
"""What makes an interface server's layer of each shard, and the layer of the worker."""


def memory_layers(capacity: int = 100_000, dead_capacity: int = 10_000) -> Layers:
    """Both sides of one in-memory layer."""
    bus = MemoryBus(capacity, dead_capacity)
    return [lambda: MemoryInterfaceLayer(bus)], MemoryWorkerLayer(bus)


@asynccontextmanager
async def serving(
    routing: Routing,
    interface: InterfaceSettings,
    worker: WorkerOptions,
    layers: Layers,
    detail: str = "",
    tracing: OpenTracing = no_tracing,
) -> AsyncIterator[str]:
    """Serves within the ``async with``; drains at its end, also when it is cancelled.

    Args:
        routing: what the worker does.
        interface: settings of the interface server.
        worker: settings of the worker.
        layers: what carries the messages between them.
        detail: what a person sees of the worker.
        tracing: gives both what makes spans, or None for none.

    Returns:
        The address, as a URL without a slash at its end.

    Raises:
        ConfigError: it cannot listen there.
        LayerUnavailable: Redis does not answer.
    """
    interface_layers, worker_layer = layers
    works = WorkerProcess(worker, worker_layer, routing, tracing, len(interface_layers))
    server = InterfaceServer(interface, interface_layers, tracing=tracing)
    await works.start(detail=detail)
    try:
        (address, *_) = await server.start()
        yield address
        await server.drain()
    finally:
        # The interface first: the worker still handles its disconnects.
        await server.close()
        await works.drain()


@asynccontextmanager
async def in_memory(module: str) -> AsyncIterator[str]:
    """Serves a routing module in memory, on a port that the kernel chooses; for tests of handlers.

    Args:
        module: importable module with a ``channel_routing`` list.

    Raises:
        RoutingError: it has mistakes.
    """
    shared: dict[str, Any] = {"drain_s": 2.0}
    listening: dict[str, Any] = {**shared, "port": 0}
    interface, worker = InterfaceSettings(**listening), WorkerOptions(**shared)
    async with serving(Routing.load(module), interface, worker, memory_layers()) as url:
        yield url

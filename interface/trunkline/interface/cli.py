"""``trunkline interface``: one interface server in the foreground."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.layer import InterfaceLayer, OperatorLayer
from trunkline.protocol.process.admin import AdminServer
from trunkline.protocol.process.cluster import ClusterMetrics
from trunkline.protocol.process.logs import setup
from trunkline.protocol.process.metrics import MetricSet
from trunkline.protocol.process.runner import run, settle_gc
from trunkline.protocol.settings import parse_or_exit

from .server import InterfaceServer
from .settings import InterfaceSettings
from .succession import LayerFactory
from .turns import QueueWait

DESCRIPTION = (
    "Holds the sockets of browsers and turns their events into messages for the workers. "
    "Stops on SIGTERM or SIGINT after its drain, with exit code 0."
)


def main(argv: Sequence[str]) -> int:
    """The command.

    Args:
        argv: arguments behind ``trunkline interface``.

    Returns:
        An `ExitCode`.
    """
    settings = parse_or_exit(InterfaceSettings, argv, "trunkline interface", DESCRIPTION)

    # Imported late: `trunkline dev` runs this tier without Redis.
    from trunkline.protocol.redis_layer import RedisInterfaceLayer, RedisOperatorLayer
    from trunkline.protocol.redis_layer.queue_wait import QueueWait as RedisQueueWait

    def layer() -> InterfaceLayer:
        return RedisInterfaceLayer(settings)

    async def serving(stop: asyncio.Event) -> int:
        queues = RedisQueueWait(settings)
        try:
            return await serve(settings, layer, RedisOperatorLayer(settings), stop, queues.waits_s)
        finally:
            await queues.close()

    setup(settings.log_level, "interface")
    return run(serving, settings.loop)


async def serve(
    settings: InterfaceSettings,
    layer_factory: LayerFactory,
    operator: OperatorLayer,
    stop: asyncio.Event,
    queue_wait: QueueWait | None = None,
) -> int:
    """Runs one interface server with its admin server until it is told to stop.

    Args:
        settings: of the process.
        layer_factory: makes a layer that is not opened yet.
        operator: tells of the cluster when metrics are asked for; closed in the end.
        stop: set when it shall drain.
        queue_wait: see `InterfaceServer`.

    Returns:
        `ExitCode.OK` after its drain, `ExitCode.LOOP_DIED` if a background loop ended.
    """
    died = False

    def on_death(name: str, error: BaseException | None) -> None:
        nonlocal died
        died = True
        stop.set()

    metrics = MetricSet()
    async with AsyncExitStack() as ends:
        ends.push_async_callback(operator.close)
        server = InterfaceServer(settings, layer_factory, metrics, on_death, queue_wait=queue_wait)
        admin = AdminServer(
            settings.admin_host,
            settings.admin_port,
            metrics=metrics,
            ready=server.ready,
            refresh=ClusterMetrics(metrics, operator).refresh,
            extra={"/trip": server.trip},
        )
        ends.push_async_callback(admin.stop)
        ends.push_async_callback(server.close)
        await server.start(await admin.start())
        settle_gc()
        await stop.wait()
        await server.drain()
    return ExitCode.LOOP_DIED if died else ExitCode.OK

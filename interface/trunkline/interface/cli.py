"""``trunkline interface``: one interface server in the foreground."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial

from trunkline.protocol.dashboard.look import Examine
from trunkline.protocol.dashboard.page import Dashboard
from trunkline.protocol.errors import ConfigError, LayerUnavailable
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.layer import OperatorLayer
from trunkline.protocol.process.admin import AdminServer
from trunkline.protocol.process.advertise import advertised
from trunkline.protocol.process.cluster import ClusterMetrics
from trunkline.protocol.process.inherited import inherited_sockets
from trunkline.protocol.process.log_level import log_level_routes
from trunkline.protocol.process.logs import setup
from trunkline.protocol.process.metrics import MetricSet
from trunkline.protocol.process.notify import Notifier
from trunkline.protocol.process.runner import run, settle_gc, supervise
from trunkline.protocol.process.scaling import Reporter, targets_of
from trunkline.protocol.process.targets import Targets
from trunkline.protocol.process.tracing import open_tracing
from trunkline.protocol.settings import parse_or_exit
from trunkline.protocol.sharding.asking import WATCH_S

from .newcomers import UsedShards
from .server import InterfaceServer
from .settings import InterfaceSettings
from .succession import LayerFactory
from .turns import QueueWait

DESCRIPTION = (
    "Holds the sockets of browsers and turns their events into messages for the workers. "
    "Stops on SIGTERM or SIGINT after its drain, with exit code 0."
)

ALL_SHARDS = (
    "an interface server begins once every shard answers, for handlers on each must reach its connections: start that "
    "Redis again, or an empty one in its place (docs/shards.md), and whoever supervises this process starts it anew"
)


def main(argv: Sequence[str], examine: Examine | None = None) -> int:
    """The command.

    Args:
        argv: arguments behind ``trunkline interface``.
        examine: finds what is wrong with the cluster, for the dashboard.

    Returns:
        An `ExitCode`.
    """
    settings = parse_or_exit(InterfaceSettings, argv, "trunkline interface", DESCRIPTION)
    notifier = Notifier.from_environment(os.environ)
    try:
        inherited = inherited_sockets(os.environ)
    except ConfigError as error:
        print(f"trunkline interface: {error}", file=sys.stderr)
        return ExitCode.USAGE

    # Imported late: `trunkline dev` runs this tier without Redis.
    from trunkline.protocol.redis_layer import shards

    async def serving(stop: asyncio.Event) -> int:
        queues, layout = shards.QueueWaits(settings), shards.layout(settings)

        async def agree() -> None:
            try:
                await layout.agree()
            except LayerUnavailable as error:
                if shards.count(settings) == 1:
                    raise
                raise LayerUnavailable(f"{error}; {ALL_SHARDS}") from error

        try:
            await agree()
            layers, operator = shards.interface_layers(settings), shards.operator_layer(settings, WATCH_S)
            return await serve(
                settings,
                layers,
                operator,
                stop,
                queues.waits_s,
                notifier,
                inherited,
                examine,
                layout.used,
                agree,
            )
        finally:
            await queues.close()
            await layout.close()

    setup(settings.log_level, "interface", settings.log_format)
    return run(serving, settings.loop)


async def serve(
    settings: InterfaceSettings,
    layers: LayerFactory | Sequence[LayerFactory],
    operator: OperatorLayer,
    stop: asyncio.Event,
    queue_wait: QueueWait | None = None,
    notifier: Notifier | None = None,
    inherited: Sequence[socket.socket] = (),
    examine: Examine | None = None,
    used_shards: UsedShards | None = None,
    agree: Callable[[], Awaitable[None]] | None = None,
) -> int:
    """Runs one interface server with its admin server until it is told to stop.

    Args:
        settings: of the process.
        layers: see `InterfaceServer`.
        operator: tells of the cluster when metrics are asked for; closed in the end.
        stop: set when it shall drain.
        queue_wait: see `InterfaceServer`.
        notifier: told when it is ready and when it stops.
        inherited: see `InterfaceServer`.
        examine: see `main`.
        used_shards: see `InterfaceServer`.
        agree: sees to it that all processes have the same shards, or raises.

    Returns:
        `ExitCode.OK` after its drain, `ExitCode.LOOP_DIED` if a background loop ended.
    """
    died = False

    def on_death(name: str, error: BaseException | None) -> None:
        nonlocal died
        died = True
        stop.set()

    notifier = notifier or Notifier()
    metrics = MetricSet()
    async with AsyncExitStack() as ends:
        ends.callback(notifier.close)
        ends.push_async_callback(operator.close)
        server = InterfaceServer(
            settings,
            layers,
            metrics,
            on_death,
            queue_wait=queue_wait,
            inherited=inherited,
            tracing=partial(open_tracing, settings, "interface"),
            used_shards=used_shards,
        )
        if server.tracing is not None:
            ends.push_async_callback(server.tracing.close)
        dashboard = Dashboard.of_cluster(operator, metrics, settings, examine)
        cluster = ClusterMetrics(metrics, operator, targets_of(settings), settings)
        admin = AdminServer(
            settings.admin_host,
            settings.admin_port,
            metrics=metrics,
            ready=server.ready,
            refresh=cluster.refresh,
            targets=Targets(metrics, cluster.look, settings.prefix, socket.gethostname()).show,
            targets_port=settings.targets_port,
            extra={
                "/trip": server.trip,
                "/waterfall": server.waterfall,
                **dashboard.routes(),
                **log_level_routes(settings.log_level),
            },
        )
        ends.push_async_callback(admin.stop)
        ends.push_async_callback(dashboard.close)
        ends.push_async_callback(server.close)
        addresses = await server.start(advertised(await admin.start(), settings.admin_advertise))
        if agree is not None:
            # Once more: while it had no lease, nobody who changes the shards could see it.
            await agree()
        reporter = Reporter(operator, lambda: server.id, server.load)
        ends.push_async_callback(supervise("load", reporter.run, lambda *_: None).stop)
        settle_gc()
        notifier.ready(f"listening on {' '.join(addresses)}")
        await stop.wait()
        notifier.stopping(settings.drain_s)
        await server.drain()
    return ExitCode.LOOP_DIED if died else ExitCode.OK

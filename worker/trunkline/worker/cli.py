"""``trunkline worker``: one worker in the foreground."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial

from trunkline.protocol.dashboard.look import Examine
from trunkline.protocol.dashboard.page import Dashboard
from trunkline.protocol.errors import ConfigError, RoutingError
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.process import logs
from trunkline.protocol.process.admin import AdminServer
from trunkline.protocol.process.advertise import advertised
from trunkline.protocol.process.cluster import ClusterMetrics
from trunkline.protocol.process.log_level import log_level_routes
from trunkline.protocol.process.notify import Notifier
from trunkline.protocol.process.runner import run, settle_gc, supervise
from trunkline.protocol.process.scaling import Reporter, targets_of
from trunkline.protocol.process.targets import Targets
from trunkline.protocol.process.tracing import open_tracing
from trunkline.protocol.redis_layer import shards
from trunkline.protocol.settings import parse_or_exit
from trunkline.protocol.sharding import ShardedWorkerLayer
from trunkline.protocol.sharding.asking import WATCH_S
from trunkline.protocol.sharding.joining import join_missing

from .code_version import code_version
from .log_context import carry_context
from .process import WorkerProcess
from .routing import Routing
from .settings import WorkerSettings
from .watchdog import end_process

log = logging.getLogger(__name__)

DESCRIPTION = (
    "Takes messages from Redis and runs the handlers that MODULE routes them to. "
    "Stops on SIGTERM or SIGINT after its drain, with exit code 0."
)


def main(argv: Sequence[str], examine: Examine | None = None) -> int:
    """The command.

    Args:
        argv: arguments behind ``trunkline worker``.
        examine: finds what is wrong with the cluster, for the dashboard.

    Returns:
        An `ExitCode`.
    """
    settings = parse_or_exit(WorkerSettings, argv, "trunkline worker", DESCRIPTION)
    logs.setup(settings.log_level, "worker", settings.log_format)
    # Before anything of the application runs: what it starts must not speak in this process's name.
    notifier = Notifier.from_environment(os.environ)
    try:
        routing = Routing.load(settings.module)
    except RoutingError as error:
        print(f"trunkline worker: {settings.module} has mistakes:\n{error}", file=sys.stderr)
        return ExitCode.ROUTING
    routing.code_version = code_version(settings.code_version, settings.module)

    async def serve(stop: asyncio.Event) -> int:
        tracing = partial(open_tracing, settings, "worker")
        layer = shards.worker_layer(settings, settings.track)
        worker = WorkerProcess(settings, layer, routing, tracing, shards.count(settings))
        away = await shards.agree_with_some(settings)  # behind what is wrong without a Redis
        logs.setup(settings.log_level, worker.id, settings.log_format, "worker")
        carry_context()
        if isinstance(layer, ShardedWorkerLayer):
            layer.leave_out(away)
            for shard, why in away.items():
                log.warning("begins without shard=%d and joins it when it answers: %s", shard, why)
        refused: list[ConfigError] = []

        async def join(layer: ShardedWorkerLayer) -> None:
            try:
                await join_missing(layer, partial(shards.agree_with_some, settings))
            except ConfigError as error:
                refused.append(error)
                stop.set()

        async with AsyncExitStack() as ends:
            operator = shards.operator_layer(settings, WATCH_S)
            ends.push_async_callback(operator.close)
            ends.callback(notifier.close)
            if worker.dispatcher.tracing is not None:
                ends.push_async_callback(worker.dispatcher.tracing.close)
            metrics = worker.dispatcher.metrics
            dashboard = Dashboard.of_cluster(operator, metrics, settings, examine)
            cluster = ClusterMetrics(metrics, operator, targets_of(settings), settings)
            admin = AdminServer(
                settings.admin_host,
                settings.admin_port,
                metrics=metrics,
                ready=worker.ready,
                extra={**dashboard.routes(), **log_level_routes(settings.log_level)},
                refresh=cluster.refresh,
                targets=Targets(metrics, cluster.look, settings.prefix, socket.gethostname()).show,
                targets_port=settings.targets_port,
            )
            address = advertised(await admin.start(), settings.admin_advertise)
            ends.push_async_callback(admin.stop)
            ends.push_async_callback(dashboard.close)
            # Once more: while this worker had no lease, nobody who changes the shards could see it.
            await worker.start(address, settings.module, partial(shards.agree_with_some, settings))
            reporter = Reporter(operator, lambda: worker.id, metrics.load)
            ends.push_async_callback(supervise("load", reporter.run, lambda *_: None).stop)
            if isinstance(layer, ShardedWorkerLayer) and layer.missing:
                ends.push_async_callback(_ended, asyncio.create_task(join(layer), name="joining"))
            settle_gc()
            log.info("worker is ready, metrics at http://%s/metrics", address)
            notifier.ready(f"serves {settings.module}")
            await stop.wait()
            notifier.stopping(settings.drain_s)
            await worker.drain()
        if refused:
            raise refused[0]
        if worker.at_work:
            end_process(ExitCode.OK)  # Python would wait for it
        return ExitCode.OK

    return run(serve, settings.loop)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])

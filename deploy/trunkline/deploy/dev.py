"""``trunkline dev MODULE``: interface server and worker in one process, for writing code.

By default the messages stay in memory and nothing has to be installed; with ``--redis-url`` they go over Redis, with no
other change. With reload the command only watches: it runs itself once more, without reload, and again when
a Python file below the current directory changes, also when the last start failed.
"""

from __future__ import annotations

import asyncio
import math
import os
import shlex
import sys
from contextlib import AsyncExitStack, closing
from functools import partial
from pathlib import Path

from trunkline.interface.settings import InterfaceSettings
from trunkline.protocol.errors import ConfigError, RoutingError
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.process import logs
from trunkline.protocol.process.metrics import MetricSet
from trunkline.protocol.process.runner import run as run_loop
from trunkline.protocol.process.tracing import SpanCounters, open_tracing
from trunkline.protocol.redis_layer import shards
from trunkline.worker.code_version import code_version
from trunkline.worker.routing import Routing
from trunkline.worker.settings import WorkerOptions

from . import app_routing, ports, variables
from .failures import refuse
from .local import memory_layers, serving
from .settings import DevSettings

HELD = "_TRUNKLINE_PORT_HELD"
"""Tells the process that serves that the one that watches holds the port for it, over all its restarts."""


def run(settings: DevSettings) -> int:
    """Serves until SIGINT or SIGTERM."""
    try:
        if os.environ.get(HELD):
            return _serve(settings, settings.port)
        for warning in variables.misspelt(os.environ):
            print(f"warning: {warning}", file=sys.stderr)
        variables.check()
        with closing(ports.reserve(settings.host, settings.port)) as holder:
            port = holder.getsockname()[1]
            return _watch(settings, port) if settings.reload else _serve(settings, port)
    except RoutingError as error:
        return refuse("dev", error, ExitCode.ROUTING)
    except ConfigError as error:
        return refuse("dev", error, ExitCode.USAGE)


def _watch(settings: DevSettings, port: int) -> int:
    from watchfiles import PythonFilter, run_process

    environ = {HELD: "1", "TRUNKLINE_RELOAD": "false", "TRUNKLINE_PORT": str(port)}
    values = settings.model_dump(mode="json", exclude={"module", "reload", "port"})
    for name, value in values.items():
        environ[f"TRUNKLINE_{name.upper()}"] = variables.text(value)
    os.environ.update(environ)
    command = shlex.join([sys.executable, "-m", "trunkline.deploy", "dev", settings.module])
    here = Path.cwd()
    print(f"watching the Python files below {here}", flush=True)
    run_process(
        here,
        target=command,
        target_type="command",
        watch_filter=PythonFilter(),
        callback=lambda changes: print(
            f"changed: {', '.join(sorted(path for _, path in changes))}", flush=True
        ),
        sigint_timeout=math.ceil(settings.drain_s) + 1,
    )
    return ExitCode.OK


def _serve(settings: DevSettings, port: int) -> int:
    routing = Routing.load(settings.module)
    static = settings.static or (app_routing.static_beside(settings.module) if settings.auto_static else [])
    logs.setup(settings.log_level, "dev", settings.log_format)
    shared = settings.model_dump(include=set(WorkerOptions.model_fields) & set(DevSettings.model_fields))
    if not settings.redis_url:
        del shared["redis_url"]
    interface = InterfaceSettings(**shared, host=settings.host, port=port, reuse_port=True, static=static)
    worker = WorkerOptions(**shared)
    routing.code_version = code_version(worker.code_version, settings.module)
    return run_loop(partial(_until_stopped, interface, worker, routing, settings), settings.loop)


async def _until_stopped(
    interface: InterfaceSettings,
    worker: WorkerOptions,
    routing: Routing,
    settings: DevSettings,
    stop: asyncio.Event,
) -> int:
    layers = memory_layers(settings.capacity, settings.dead_capacity)
    if settings.redis_url:
        await shards.agree(worker)
        layers = (shards.interface_layers(interface), shards.worker_layer(worker))
    tracing = open_tracing(settings, "dev", SpanCounters(MetricSet()))
    async with AsyncExitStack() as ends:
        if tracing is not None:
            ends.push_async_callback(tracing.close)
        url = await ends.enter_async_context(
            serving(routing, interface, worker, layers, settings.module, lambda counters: tracing)
        )
        print(f"serving {settings.module} at {url}/  (Ctrl-C ends it)", flush=True)
        await stop.wait()
    return ExitCode.OK

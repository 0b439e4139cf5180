"""``trunkline up``: starts a cluster in the background and returns when a message has made the trip through it."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from subprocess import Popen
from typing import Any

from trunkline.protocol.errors import ConfigError, LayerUnavailable, RoutingError
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.messages import LeaseInfo
from trunkline.protocol.redis_url import without_secrets
from trunkline.protocol.settings import LayerSettings, ProcessSettings

from . import app_routing, ports, prometheus_server, redis_server, supervisor, variables
from .circus_config import circus_config, stop_limit_s
from .cluster import NotReady, Wanted, mixing, server_info, stats_of, trips, wait_for_answer, wait_for_leases
from .diagnosis.finding import counted
from .failures import StartFailed, explain, refuse
from .release import Release
from .rundir import ClusterState, Exit, RunDir
from .running import alone
from .settings import UpSettings

_FILES = ("TRUNKLINE_TLS_CERT", "TRUNKLINE_TLS_KEY")
"""Variables of interface servers that name files."""


def run(settings: UpSettings) -> int:
    """Starts the cluster, or says that it runs already."""
    run_dir = RunDir(settings.run_dir)
    try:
        run_dir.make()
        with alone(run_dir):
            running = _running(run_dir)
            return _start(run_dir, settings) if running is None else _already(running, settings)
    except RoutingError as error:
        return refuse("up", error, ExitCode.ROUTING)
    except LayerUnavailable as error:
        return refuse(
            "up", f"{str(error).rstrip('.')}: is it running, and is the URL right?", ExitCode.NO_REDIS
        )
    except ConfigError as error:
        return refuse("up", error, ExitCode.USAGE)


def _running(run_dir: RunDir) -> ClusterState | None:
    state = run_dir.load()
    if state is None:
        return None
    living = supervisor.members(state.cluster)
    if any(member.role == "circusd" for member in living):
        return state
    if living:
        print("the last cluster's supervisor was killed; stopping what it left", flush=True)
        supervisor.stop(state.cluster, stop_limit_s(state.drain_s))
    run_dir.forget()
    run_dir.make()
    return None


def _asked(settings: UpSettings) -> dict[str, Any]:
    asked = settings.model_dump(mode="json", exclude={"run_dir", "start_timeout_s"})
    return {**asked, "redis_url": redis_server.configured_url(settings.redis_url, os.environ)}


def _already(state: ClusterState, settings: UpSettings) -> int:
    asked = _asked(settings)
    # A default was not asked for: who types `up` once more does not want the numbers of `scale` taken back.
    given = settings.model_fields_set | ({"redis_url"} if asked["redis_url"] else set())
    differing = [name for name in asked if name in given and asked[name] != state.asked.get(name)]
    print(f"already running: {state.routing} at {_page(state)} since {time.ctime(state.started_s)}")
    numbers = f"{counted(state.interfaces, 'interface server')}, {counted(state.workers, 'worker')}"
    print(f"  {numbers}; 'trunkline status' shows them")
    if not differing:
        return ExitCode.OK
    differences = []
    for name in differing:
        shown = without_secrets if name == "redis_url" else str
        now, then = (shown(str(of.get(name))) for of in (state.asked, asked))
        differences.append(f"{name.replace('_', '-')} is {now!r}, you asked for {then!r}")
    verb = "scale" if set(differing) <= {"interfaces", "workers"} else "down"
    reason = "\n".join([*differences, f"nothing was changed; 'trunkline {verb}' first"])
    return refuse("up", reason, ExitCode.ALREADY_RUNNING)


def _start(run_dir: RunDir, settings: UpSettings) -> int:
    for warning in variables.misspelt(os.environ):
        print(f"warning: {warning}", file=sys.stderr)
    variables.check()
    app_routing.check(settings.module)
    static = settings.static or (app_routing.static_beside(settings.module) if settings.auto_static else [])
    asked = _asked(settings)
    prometheus = prometheus_server.find_binary() if settings.prometheus else None
    binary = None
    try:
        if not asked["redis_url"]:
            binary = redis_server.find_binary()
    except ConfigError as error:
        return refuse("up", error, ExitCode.NO_REDIS)
    url = asked["redis_url"] or redis_server.unix_url(run_dir)
    layer = LayerSettings(**{**_values(settings, LayerSettings), "redis_url": url})
    if binary is None:
        _check_redis(layer, settings.module)
    with ExitStack() as held:
        holder = held.enter_context(closing(ports.reserve(settings.host, settings.port)))
        if prometheus or settings.targets_port:
            settings = _sharing_targets(settings, held)
        watcher = prometheus_server.plan(prometheus, run_dir, settings) if prometheus else None
        state = ClusterState(
            cluster=secrets.token_hex(8),
            asked=asked,
            host=settings.host,
            port=holder.getsockname()[1],
            routing=settings.module,
            interfaces=settings.interfaces,
            workers=settings.workers,
            own_redis=binary is not None,
            drain_s=settings.drain_s,
            started_s=time.time(),
            layer=layer.model_dump(mode="json"),
            prometheus=watcher.page if watcher else "",
        )
        _write_config(run_dir, state, static, binary, watcher.command if watcher else None)
        return _launch(run_dir, state, settings, binary)


def _sharing_targets(settings: UpSettings, held: ExitStack) -> UpSettings:
    """The settings with a port for ``/targets`` that all processes can share; held until they do."""
    holder = ports.reserve(settings.admin_host, settings.targets_port, "--targets-port", "--admin-host")
    held.enter_context(closing(holder))
    return settings.model_copy(update={"targets_port": holder.getsockname()[1]})


def _values(settings: ProcessSettings, of: type[LayerSettings]) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in of.model_fields}


def _check_redis(layer: LayerSettings, module: str) -> None:
    checks = [redis_server.check_server(info, info["url"]) for info in asyncio.run(server_info(layer))]
    workers = asyncio.run(stats_of(layer)).workers
    for warning in (*checks, mixing(workers, module)):
        if warning:
            print(f"warning: {warning}", file=sys.stderr)


def _write_config(
    run_dir: RunDir,
    state: ClusterState,
    static: list[str],
    binary: redis_server.Binary | None,
    prometheus: list[str] | None,
) -> None:
    python = [sys.executable, "-m", "trunkline.deploy"]
    interface = [*python, "interface", "--host", state.host, "--port", str(state.port), "--reuse-port"]
    interface += [f"--static={_absolute(item)}" for item in static]
    worker = [*python, "worker", state.routing]
    redis = None
    if binary is not None:
        conf = run_dir.redis / "redis.conf"
        conf.write_text(redis_server.redis_conf(run_dir))
        redis = [binary.path, str(conf)]
    Release(os.getcwd(), state.routing).save(run_dir.release("worker"))
    run_dir.config_file.write_text(circus_config(run_dir, state, interface, worker, redis, prometheus))


def _absolute(static: str) -> str:
    """``URL=DIR`` with the directory as it is called from everywhere: processes start in the run directory."""
    url, sign, folder = static.partition("=")
    return f"{url}{sign}{os.path.abspath(folder)}"


def _environ(state: ClusterState, settings: UpSettings) -> Mapping[str, str]:
    shared = {**_values(settings, ProcessSettings), **state.layer}
    files = {name: os.path.abspath(path) for name in _FILES if (path := os.environ.get(name))}
    return {
        **os.environ,
        **files,
        **{f"TRUNKLINE_{name.upper()}": variables.text(value) for name, value in shared.items()},
        # What a handler prints has to reach the log now, not when a buffer is full.
        "PYTHONUNBUFFERED": "1",
    }


def _launch(
    run_dir: RunDir, state: ClusterState, settings: UpSettings, binary: redis_server.Binary | None
) -> int:
    source = f"Redis {binary.version} of its own" if binary else without_secrets(state.layer["redis_url"])
    print(
        f"starting {counted(state.interfaces, 'interface server')} and {counted(state.workers, 'worker')} "
        f"for {state.routing}, {source} …",
        flush=True,
    )
    ready = False
    # A start that is broken off (Ctrl-C, a CI job that is cancelled) leaves nothing running either.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.FAILED))
    run_dir.save(state)
    circusd = supervisor.start(run_dir, state.cluster, _environ(state, settings))
    try:
        interfaces = _wait_ready(run_dir, state, circusd, settings.start_timeout_s)
        ready = True
    except NotReady as error:
        explain("up", run_dir, error)
        return ExitCode.FAILED
    finally:
        signal.signal(signal.SIGTERM, before)
        if not ready:
            supervisor.stop(state.cluster, stop_limit_s(state.drain_s))
            circusd.wait()
            run_dir.forget()
            print("trunkline up: everything that had been started was stopped again", file=sys.stderr)
    circusd.returncode = 0  # It goes on without us; Popen would warn that nobody waits for it.
    _report(run_dir, state, settings, interfaces)
    return ExitCode.OK


def _wait_ready(
    run_dir: RunDir, state: ClusterState, circusd: Popen[bytes], patience: float
) -> list[LeaseInfo]:
    wanted = Wanted(
        numbers={"interface": state.interfaces, "worker": state.workers},
        pids=lambda role: {member.pid for member in supervisor.members(state.cluster) if member.role == role},
        broken=lambda: _raise_if_broken(run_dir, state, circusd),
    )

    async def ready() -> list[LeaseInfo]:
        interfaces = await wait_for_leases(state.layer_settings(), wanted, patience)
        await trips(interfaces)
        if state.prometheus:
            await wait_for_answer(f"{state.prometheus}-/ready", "Prometheus", wanted.broken, patience)
        wanted.broken()
        return interfaces

    return asyncio.run(ready())


def _raise_if_broken(run_dir: RunDir, state: ClusterState, circusd: Popen[bytes]) -> None:
    """Ends waiting for a start in which something has ended already.

    Raises:
        StartFailed: a process of the cluster ended, or circusd did.
    """
    for ended in run_dir.exits():
        raise StartFailed(ended)
    if circusd.poll() is not None:
        now = time.time()
        raise StartFailed(Exit(now, "circusd", circusd.pid, circusd.returncode, now - state.started_s, ""))


def _page(state: ClusterState) -> str:
    scheme = "https" if os.environ.get("TRUNKLINE_TLS_CERT") else "http"
    return f"{scheme}://{ports.local_address(state.host, state.port)}/"


def _report(run_dir: RunDir, state: ClusterState, settings: UpSettings, interfaces: list[LeaseInfo]) -> None:
    print(
        f"ready: a message made the trip through each of {counted(len(interfaces), 'interface server')} and back"
    )
    print(f"  page     {_page(state)}")
    if settings.dashboard:
        print(f"  watch    http://{interfaces[0].admin}/dashboard")
    for lease in interfaces:
        print(f"  metrics  http://{lease.admin}/metrics   interface {lease.id} [{lease.pid}]")
    if state.prometheus:
        alerts = prometheus_server.alerts_page(state.prometheus)
        print(f"  figures  {state.prometheus}   Prometheus; its alerts are at {alerts}")
    print(f"  logs     {run_dir.log_file('interface')}")
    print(f"           {run_dir.log_file('worker')}")
    # Who came by `make up` has no `trunkline` on the PATH; make tells its children that they are its own.
    if os.environ.get("MAKELEVEL"):
        print(
            "  next     make status | make logs | make scale WORKERS=4 INTERFACES=3 | make worker | make down"
        )
    else:
        print("  next     trunkline status | logs | scale --workers 4 --interfaces 3 | worker | down")

"""What can be wrong with machines: clocks, kernels' bounds, file descriptors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from trunkline.protocol.process.facts import Facts, ServerFacts
from trunkline.protocol.settings import LayerSettings

from .finding import Finding, percent

SKEW_S: Final = 0.5
"""Waits are told by Redis' clock and by processes': with more they are wrong, and logs of machines do not fit."""
FDS: Final = 0.8
FEW_FDS: Final = 4096
"""An interface server with fewer refuses newcomers soon."""


def clocks(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """Clocks that differ between processes and their Redis."""
    for server in facts.servers:
        for process in facts.processes:
            if process.clock_off_s is None:
                continue
            skew_s = process.clock_off_s - server.clock_off_s
            # Either clock was read sometime between a question and its answer.
            unsure_s = (process.took_s + server.round_trip_s) / 2
            if abs(skew_s) - unsure_s > SKEW_S:
                ahead = "ahead of" if skew_s > 0 else "behind"
                yield Finding(
                    "clocks",
                    "warning",
                    f"{process.role} {process.id} on {process.lease.host}",
                    f"its clock is {abs(skew_s):.1f} s {ahead} that of Redis at {server.where}: times in logs, in dead "
                    "letters and of waits are off by as much",
                    "run chrony or systemd-timesyncd on both machines; messages are not in danger, leases go by Redis' "
                    "clock alone",
                )


def file_descriptors(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """Processes that soon can open nothing more."""
    for process in facts.processes:
        used, bound = process.now.total("process_open_fds"), process.now.total("process_max_fds")
        where = f"{process.role} {process.id} [{process.lease.pid}] on {process.lease.host}"
        fix = "raise it where the process is started: ulimit -n 65536, LimitNOFILE=65536 (systemd), ulimits (Compose)"
        if bound and used / bound >= FDS:
            yield Finding(
                "file-descriptors",
                "error",
                where,
                f"{used:.0f} of {bound:.0f} files are open ({percent(used / bound)}); soon newcomers are refused",
                fix,
            )
        elif bound and bound < FEW_FDS and process.role == "interface":
            yield Finding(
                "file-descriptors",
                "warning",
                where,
                f"it may have {bound:.0f} files and sockets open, so about as many clients",
                fix,
            )


def listen_queues(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """Kernels that cut the queue of connections to be accepted."""
    told: set[str] = set()
    for process in facts.interfaces:
        wanted, bound = (
            process.now.total("trunkline_listen_backlog"),
            process.now.value("trunkline_somaxconn"),
        )
        if bound is not None and wanted > bound and process.lease.host not in told:
            told.add(process.lease.host)
            yield Finding(
                "listen-queue",
                "warning",
                process.lease.host,
                f"net.core.somaxconn is {bound:.0f}, below --backlog {wanted:.0f}: when many clients come at once, as "
                "after a restart, some wait a second and more",
                f"sysctl -w net.core.somaxconn={wanted:.0f}, and in /etc/sysctl.d too",
            )
    for server in facts.servers:
        backlog, somaxconn = int(server.config.get("tcp-backlog", 0) or 0), facts.machine.somaxconn
        if server.local and somaxconn is not None and backlog > somaxconn:
            yield Finding(
                "listen-queue",
                "note",
                server.where,
                f"net.core.somaxconn is {somaxconn}, below Redis' tcp-backlog {backlog}",
                f"sysctl -w net.core.somaxconn={backlog}, and in /etc/sysctl.d too",
            )


def _holds_half(server: ServerFacts) -> bool:
    total = server.number("total_system_memory")
    return total > 0 and server.number("used_memory_rss") > total / 2


def kernel(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """Settings of the kernel under a Redis on this machine that stop it for moments or keep it from saving."""
    for server in facts.servers:
        if not server.local:
            continue
        if facts.machine.huge_pages == "always":
            yield Finding(
                "kernel",
                "warning",
                server.where,
                "transparent huge pages are always on: Redis stands still for moments whenever it saves",
                "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, and at boot too",
            )
        if facts.machine.overcommit == 0 and _holds_half(server):
            yield Finding(
                "kernel",
                "warning",
                server.where,
                "vm.overcommit_memory is 0 and Redis holds over half of the memory: its fork for saving may be refused",
                "sysctl -w vm.overcommit_memory=1, and in /etc/sysctl.d too",
            )

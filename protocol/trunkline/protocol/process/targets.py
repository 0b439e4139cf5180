"""``/targets``: every live process of the cluster, as Prometheus' HTTP service discovery asks for it.

The format: https://prometheus.io/docs/prometheus/latest/http_sd/. Any process can tell, for every process registers the
address of its admin server with its lease. While Redis does not answer, the list is the last one that was known: those
processes most likely live and have something to say just then. A process that knows none yet answers 503, and
Prometheus keeps what it had.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

from ..messages import ClusterStats, LeaseInfo
from .advertise import is_loopback
from .metrics import MetricSet

PATH = "/targets"

Look = Callable[[], Awaitable[ClusterStats | None]]
"""Looks at the cluster; None if the layer does not answer."""


class Targets:
    """The handler of `PATH`.

    Args:
        metrics: where its counter is declared.
        look: gives the leases.
        deployment: the deployment's prefix, for a label.
        host: name of this machine, as in the leases of its processes.
    """

    def __init__(self, metrics: MetricSet, look: Look, deployment: str, host: str) -> None:
        self._look = look
        self._deployment = deployment
        self._host = host
        self._known: list[LeaseInfo] | None = None
        self._stale = metrics.counter(
            "targets_stale", "Lists of targets told from memory because the layer did not answer."
        )

    async def show(self, request: web.Request) -> web.Response:
        """Answers with the list as JSON, 503 if nothing is known yet. Cancellation: nothing has changed."""
        stats = await self._look()
        if stats is not None:
            self._known = [*stats.interfaces, *stats.workers]
        elif self._known is None:
            return web.Response(status=503, text="the channel layer does not answer, and has not yet\n")
        else:
            self._stale.value += 1
        near = self._host if is_loopback(f"{request.remote or ''}:0") else None
        groups = listing(self._known, self._deployment, near)
        return web.Response(text=json.dumps(groups), content_type="application/json")


def listing(leases: Iterable[LeaseInfo], deployment: str, near: str | None) -> list[dict[str, Any]]:
    """The processes that whoever asks can reach, each with its labels.

    Args:
        leases: of the cluster.
        deployment: for the label.
        near: name of the machine that asks, if it is this one; a loopback address is no use to others.
    """
    newest: dict[str, LeaseInfo] = {}
    for lease in sorted(leases, key=lambda lease: lease.started_s):
        if lease.admin and (not is_loopback(lease.admin) or lease.host == near):
            # A lease outlives its process a little, and the kernel may give its port to another one meanwhile.
            newest[lease.admin] = lease
    return [
        {"targets": [admin], "labels": _labels(lease, deployment)}
        for admin, lease in sorted(newest.items(), key=lambda item: (item[1].role, item[0]))
    ]


def _labels(lease: LeaseInfo, deployment: str) -> dict[str, str]:
    labels = {
        "role": lease.role,
        "process": lease.id,
        "host": lease.host,
        "pid": str(lease.pid),
        "deployment": deployment,
        "track": lease.track,
        "code_version": lease.code,
        "version": lease.version,
    }
    # For Prometheus a label that is empty is none.
    return {name: value for name, value in labels.items() if value}

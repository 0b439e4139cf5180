"""Nchan, a module of nginx in C: groups through Redis."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.peer import Job, Peer, Route, Shape, System
from benchmarks.processes import Cores, server
from benchmarks.store import free_port, missing_store, store, store_version

from .kit import ensure
from .kits import debian_command, debian_kit, debian_versions
from .waiting import answers, child

KIT: Final = debian_kit("nchan", ("nginx", "libnginx-mod-nchan"))

_NGINX: Final = "usr/sbin/nginx"
_MODULE: Final = "usr/lib/nginx/modules/ngx_nchan_module.so"
_WORKER: Final = "nginx: worker process"
_BUILT_IN: Final = Path("/var/lib/nginx")
"""Debian's nginx has this folder built in, and Nchan insists on it whatever the configuration says."""


def configuration(folder: Path, module: Path, port: int, redis_port: int) -> str:
    """nginx with one worker and one location: who opens it is a member, and what a member sends goes to all.

    Args:
        folder: for everything that nginx writes.
        module: file of Nchan.
        port: of the server.
        redis_port: of the Redis.
    """
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    temporary = "\n".join(
        f"  {kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
load_module {module};
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections {files}; }}
http {{
  access_log off;
{temporary}
  nchan_shared_memory_size 128M;
  upstream store {{ nchan_redis_server redis://127.0.0.1:{redis_port}; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location = /ready {{ return 204; }}
    location ~ ^/group/(\\w+)$ {{
      nchan_pubsub websocket;
      nchan_channel_id $1;
      nchan_redis_pass store;
      nchan_subscriber_first_message newest;
    }}
  }}
}}
"""


def _missing() -> str | None:
    reason = ensure(KIT) or missing_store()
    if reason is None:
        try:
            _BUILT_IN.mkdir(exist_ok=True)
        except OSError as error:
            return f"Nchan needs the folder {_BUILT_IN}, which cannot be made: {error.strerror}"
    return reason


@contextmanager
def _start(cores: Cores, folder: Path, shape: Shape) -> Iterator[System]:
    with store(cores, folder, shape.persistence, tcp=True) as redis:
        port = free_port()
        file = folder / "nginx.conf"
        file.write_text(configuration(folder, KIT.folder / "root" / _MODULE, port, redis.port))
        argv = debian_command(KIT, _NGINX, "-p", str(folder), "-c", str(file), "-e", "stderr")
        with server(argv, folder / "nginx.log", "", cores.servers) as running:
            answers(running, port, "/ready")
            pids = {"nginx": child(running, _WORKER), "master": running.pid, "redis": redis.pid}
            yield System("127.0.0.1", port, pids, "nginx", redis=redis.socket)


PEERS: Final = (
    Peer(
        name="nchan",
        title="Nchan, nginx in C, groups through Redis",
        guarantees="at most once as it is used here; Redis keeps the last 10 messages of a group for an hour",
        routes={Job.GROUP: Route("/group/{run}")},
        commands=("redis-server", "nginx -c nginx.conf"),
        missing=_missing,
        versions=lambda: {**debian_versions(KIT, "libnginx-mod-nchan", "nginx"), **store_version()},
        start=_start,
    ),
)

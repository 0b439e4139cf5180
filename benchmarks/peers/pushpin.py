"""Pushpin, a proxy that holds the WebSockets and turns what happens on them into HTTP requests to a backend."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.peer import Job, Peer, Route, Shape, System
from benchmarks.processes import Cores, server
from benchmarks.store import free_port

from .kit import ensure
from .kits import debian_command, debian_kit, debian_versions
from .python_server import LISTENING, python_server
from .waiting import answers, child

KIT: Final = debian_kit("pushpin", ("pushpin", "zurl"))

_ROOT: Final = KIT.folder / "root"
_LIBRARY: Final = _ROOT / "usr/lib/pushpin"
_UNLIMITED: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Ports:
    """Of one Pushpin.

    Attributes:
        clients: where they connect.
        publish: where the backend publishes.
    """

    clients: int
    publish: int


def changed(text: str, values: dict[str, object]) -> str:
    """An ini file with other values of settings that are in it.

    Raises:
        KeyError: one is not.
    """
    for name, value in values.items():
        line = re.compile(rf"^{re.escape(name)}=.*$", re.MULTILINE)
        found = line.search(text)
        if found is None:
            raise KeyError(name)
        before, after = text[: found.start()], text[found.end() :]
        text = f"{before}{name}={value}{after}"
    return text


def _configure(folder: Path, ports: _Ports, backend: str) -> None:
    """Writes Debian's configuration with everything in one folder and the limit on deliveries a second lifted."""
    run = folder / "run"
    run.mkdir()
    internal = (_LIBRARY / "internal.conf").read_text().replace("/var/run/zurl/", f"{run}/")
    (folder / "internal.conf").write_text(internal)
    proxy = (_ROOT / "usr/share/pushpin/pushpin.conf.condure").read_text()
    values = {
        "include": folder / "internal.conf",
        "rundir": run,
        "logdir": folder,
        "http_port": f"127.0.0.1:{ports.clients}",
        "condure_bin": _ROOT / "usr/bin/condure",
        "push_in_spec": f"ipc://{run}/push-in",
        "push_in_sub_specs": f"ipc://{run}/push-in-sub",
        "push_in_http_port": ports.publish,
        "command_spec": f"ipc://{run}/command",
        "message_rate": _UNLIMITED,
        "message_hwm": _UNLIMITED,
    }
    (folder / "pushpin.conf").write_text(changed(proxy, values))
    (folder / "routes").write_text(f"* {backend},over_http\n")
    requester = (_LIBRARY / "runner/zurl.conf.template").read_text()
    requester = requester.replace("{{ rundir }}/{{ ipc_prefix }}", f"{run}/")
    (folder / "zurl.conf").write_text(changed(requester, {"deny": ""}))


@contextmanager
def _start(cores: Cores, folder: Path, shape: Shape) -> Iterator[System]:
    ports = _Ports(free_port(), free_port())
    publish = {"BENCH_PUBLISH": f"http://127.0.0.1:{ports.publish}"}
    log = folder / "backend.log"
    with python_server(None, ("pushpin_backend",), log, LISTENING, cores, shape, publish) as backend:
        _configure(folder, ports, f"{backend.ready[1]}:{backend.ready[2]}")
        zurl = debian_command(KIT, "usr/bin/zurl", f"--config={folder / 'zurl.conf'}", "--loglevel=1")
        # It starts the others by their names.
        path = f"PATH={_ROOT / 'usr/bin'}:/usr/bin:/bin"
        pushpin = debian_command(
            KIT, "usr/bin/pushpin", f"--config={folder / 'pushpin.conf'}", "--merge-output", "--loglevel=1"
        )
        with (
            server(zurl, folder / "zurl.log", "", cores.servers) as requester,
            server([pushpin[0], path, *pushpin[1:]], folder / "pushpin.log", "", cores.servers) as runner,
        ):
            pids = {name: child(runner, name) for name in ("condure", "pushpin-proxy", "pushpin-handler")}
            answers(runner, ports.clients, "/ready")
            pids |= {"zurl": requester.pid, "backend": backend.pid, "pushpin": runner.pid}
            yield System("127.0.0.1", ports.clients, pids, "condure")


PEERS: Final = (
    Peer(
        name="pushpin",
        title="Pushpin, a proxy that calls a backend (aiohttp) over HTTP",
        guarantees="at most once, no broker: a call that fails, or finds 100 others waiting, closes its connection",
        routes={
            Job.ECHO: Route("/echo"),
            Job.CONNECT: Route("/echo"),
            Job.GROUP: Route("/group/{run}"),
            Job.SLEEP: Route("/sleep"),
            Job.BURN: Route("/burn"),
        },
        commands=("python -m pushpin_backend", "zurl --config=zurl.conf", "pushpin --config=pushpin.conf"),
        missing=lambda: ensure(KIT),
        versions=lambda: debian_versions(KIT, "pushpin", "condure", "zurl"),
        start=_start,
    ),
)

"""nginx and HAProxy as the shipped files have them, but for addresses, paths and users: real processes of a test's own.

Each is handed the socket it listens on, so its port is the kernel's choice and nobody else can take it: nginx by the
variable with which it hands sockets to its own successor, HAProxy by ``bind fd@``.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.support.commands import ROOT
from tests.support.process import Process

NGINX_FILE: Final = ROOT / "deploy" / "nginx" / "trunkline.conf"
HAPROXY_FILE: Final = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
NAMES: Final = ("nginx", "haproxy")

# What stands around the file: what a distribution's own nginx.conf has, in a folder of the test.
_NGINX_CONF = """
{user}
pid nginx.pid;
daemon off;
worker_processes 2;
error_log stderr notice;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include trunkline.conf;
}}
"""


class Server(NamedTuple):
    """An interface server as a proxy knows it.

    Attributes:
        port: of its sockets, on 127.0.0.1.
        admin_port: of its admin server.
    """

    port: int
    admin_port: int


class Certificate(NamedTuple):
    """PEM files.

    Attributes:
        chain: certificate of ``localhost``.
        key: its key.
    """

    chain: Path
    key: Path


class Proxy(NamedTuple):
    """A proxy that runs.

    Attributes:
        process: the program.
        url: where it listens.
        tls_url: where it listens with TLS.
    """

    process: Process
    url: str
    tls_url: str


def program(name: str) -> str:
    """Path of a program; without it the test is skipped, in CI it fails."""
    # Debian has both where only root's PATH leads.
    found = shutil.which(
        name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    )
    if found is None:
        missing = f"no {name}: apt-get install {name}"
        if os.environ.get("CI") == "true":
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    return found


def exchanged(text: str, *pairs: tuple[str, str]) -> str:
    """A file with other values.

    Raises:
        AssertionError: it does not hold one of the old ones, so it is not the file that a test believes it to be.
    """
    for old, new in pairs:
        assert old in text, f"the shipped file has no {old!r}"
        text = text.replace(old, new)
    return text


def start(name: str, folder: Path, servers: Sequence[Server], certificate: Certificate) -> Proxy:
    """Starts a proxy in front of two servers. It need not be waited for: its socket listens already."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=1024) as plain,
        socket.create_server(("127.0.0.1", 0), backlog=1024) as secure,
    ):
        # nginx leaves a socket it was handed as it is. Two of its workers wake for one connection, and whoever comes
        # second to a socket that blocks waits in accept(2), with all its other clients, until somebody else connects.
        plain.setblocking(False)
        secure.setblocking(False)
        launch = _start_nginx if name == "nginx" else _start_haproxy
        process = launch(program(name), folder, servers, certificate, plain, secure)
        ports = [item.getsockname()[1] for item in (plain, secure)]
    return Proxy(process, f"http://127.0.0.1:{ports[0]}", f"https://localhost:{ports[1]}")


def nginx_files(
    folder: Path,
    servers: Sequence[Server],
    certificate: Certificate,
    plain: str,
    secure: str,
    tls: bool = True,
) -> Path:
    """Writes nginx's files, with the lines for TLS or without; returns the one to start with."""
    text = exchanged(
        NGINX_FILE.read_text(),
        ("#tls ", "" if tls else "#tls "),
        ("127.0.0.1:8001", f"127.0.0.1:{servers[0].port}"),
        ("127.0.0.1:8002", f"127.0.0.1:{servers[1].port}"),
        ("listen 80 ", f"listen {plain} "),
        ("listen 443 ", f"listen {secure} "),
        ("/etc/trunkline/tls/cert.pem", str(certificate.chain)),
        ("/etc/trunkline/tls/key.pem", str(certificate.key)),
    )
    (folder / "trunkline.conf").write_text(text)
    path = folder / "nginx.conf"
    path.write_text(_NGINX_CONF.format(user="user root;" if os.getuid() == 0 else ""))
    return path


def _start_nginx(
    program: str,
    folder: Path,
    servers: Sequence[Server],
    certificate: Certificate,
    plain: socket.socket,
    secure: socket.socket,
) -> Process:
    listens = [f"127.0.0.1:{item.getsockname()[1]}" for item in (plain, secure)]
    path = nginx_files(folder, servers, certificate, listens[0], listens[1])
    numbers = [plain.fileno(), secure.fileno()]
    environ = {"NGINX": "".join(f"{number};" for number in numbers)}
    command = [program, "-p", str(folder), "-c", str(path), "-e", "stderr"]
    return Process("nginx", command, folder / "nginx.log", environ, numbers)


def haproxy_file(
    folder: Path, servers: Sequence[Server], certificate: Certificate, plain: str, secure: str
) -> Path:
    """Writes HAProxy's file."""
    both = folder / "both.pem"
    both.write_text(certificate.chain.read_text() + certificate.key.read_text())
    text = exchanged(
        HAPROXY_FILE.read_text(),
        ("#tls ", ""),
        ("    user haproxy\n    group haproxy\n", ""),
        ("maxconn 20000", "maxconn 2000"),
        ("127.0.0.1:8001 port 9001", f"127.0.0.1:{servers[0].port} port {servers[0].admin_port}"),
        ("127.0.0.1:8002 port 9002", f"127.0.0.1:{servers[1].port} port {servers[1].admin_port}"),
        ("bind :80\n", f"bind {plain}\n"),
        ("bind :443 ", f"bind {secure} "),
        ("/etc/trunkline/tls/both.pem", str(both)),
    )
    path = folder / "haproxy.cfg"
    path.write_text(text)
    return path


def _start_haproxy(
    program: str,
    folder: Path,
    servers: Sequence[Server],
    certificate: Certificate,
    plain: socket.socket,
    secure: socket.socket,
) -> Process:
    numbers = [plain.fileno(), secure.fileno()]
    path = haproxy_file(folder, servers, certificate, *(f"fd@{number}" for number in numbers))
    command = [program, "-db", "-f", str(path)]
    return Process("haproxy", command, folder / "haproxy.log", None, numbers)

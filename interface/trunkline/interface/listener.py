"""Where an interface server listens: an address, a shared port, a Unix socket or inherited ones; TLS or not."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import ssl
import stat
import sys
from collections.abc import Sequence
from typing import Any

from aiohttp.http_exceptions import HttpProcessingError

from trunkline.protocol.errors import ConfigError

from .door import Door
from .metrics import InterfaceMetrics
from .settings import InterfaceSettings

log = logging.getLogger(__name__)


class Listener:
    """Listens; made by `listen`.

    Args:
        servers: not serving yet; at least one.
        settings: where it listens.
        inherited: the sockets are the service manager's: they stay when this ends.

    Attributes:
        addresses: where it really listens, as URLs.
        bound: the first of them as ``[host, port]``, as messages have it.
    """

    def __init__(
        self, servers: Sequence[asyncio.Server], settings: InterfaceSettings, inherited: bool = False
    ) -> None:
        self._servers = servers
        self._unix_socket = "" if inherited else settings.unix_socket
        scheme = "https" if settings.tls_cert else "http"
        names = [item.getsockname() for server in servers for item in server.sockets]
        self.addresses = [_url(scheme, name) for name in names]
        self.bound: list[Any] = list(names[0][:2]) if isinstance(names[0], tuple) else [names[0], 0]

    async def serve(self) -> None:
        """Begins to accept."""
        for server in self._servers:
            await server.start_serving()

    async def close(self) -> None:
        """Accepts nothing any more; whom it has accepted it lets in. Idempotent; cancelled, it closes all the same."""
        if self._unix_socket:
            # Newer Pythons remove it themselves when the listener closes.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._unix_socket)
            self._unix_socket = ""
        try:
            await self._let_in_the_accepted()
        finally:
            for server in self._servers:
                server.close()

    async def _let_in_the_accepted(self) -> None:
        """asyncio makes the transport of a connection a turn of the loop after it was accepted. If the server was
        closed between, it fails and forgets it: the client would wait until this process ends. uvloop does both at
        once."""
        loop = asyncio.get_running_loop()
        if isinstance(loop, asyncio.BaseEventLoop):
            for server in self._servers:
                for item in server.sockets:
                    loop.remove_reader(item.fileno())
            await asyncio.sleep(0)


def _url(scheme: str, name: Any) -> str:
    if not isinstance(name, tuple):
        return f"{scheme}+unix://{name}"
    return f"{scheme}://[{name[0]}]:{name[1]}" if ":" in name[0] else f"{scheme}://{name[0]}:{name[1]}"


async def listen(
    settings: InterfaceSettings, door: Door, inherited: Sequence[socket.socket] = ()
) -> Listener:
    """Binds what the settings say, or takes the sockets of a service manager; nothing is accepted before
    `Listener.serve`.

    Args:
        settings: of the process.
        door: makes the protocol of each connection.
        inherited: listening sockets to take in the place of what the settings say.

    Raises:
        ConfigError: it cannot be listened on, or the certificate cannot be read.
    """
    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {"backlog": settings.backlog, "start_serving": False}
    if settings.tls_cert:
        options["ssl"] = _tls(settings)
        options["ssl_handshake_timeout"] = settings.request_timeout_s
        options["ssl_shutdown_timeout"] = settings.close_timeout_s
    if inherited:
        return Listener([await _take(loop, item, door, options) for item in inherited], settings, True)
    try:
        if settings.unix_socket:
            _remove_stale(settings.unix_socket)
            server = await loop.create_unix_server(door, settings.unix_socket, **options)
        else:
            # None, not False: False is refused where the system has no such option.
            options["reuse_port"] = settings.reuse_port or None
            server = await loop.create_server(door, settings.host, settings.port, **options)
    except OSError as error:
        where = settings.unix_socket or f"{settings.host}:{settings.port}"
        raise ConfigError(
            f"cannot listen on {where}: {error.strerror or error}; choose another --host, --port or --unix-socket"
        ) from error
    return Listener([server], settings)


async def _take(
    loop: asyncio.AbstractEventLoop, item: socket.socket, door: Door, options: dict[str, Any]
) -> asyncio.Server:
    if item.family != socket.AF_UNIX:
        return await loop.create_server(door, sock=item, **options)
    if sys.version_info >= (3, 13) and isinstance(loop, asyncio.BaseEventLoop):
        # The path is its owner's: the next process is given the same socket.
        options = {**options, "cleanup_socket": False}
    return await loop.create_unix_server(door, sock=item, **options)


def _tls(settings: InterfaceSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"--tls-cert {settings.tls_cert} and --tls-key {settings.tls_key}: {error}; expected PEM files that match"
        ) from error
    return context


def _remove_stale(path: str) -> None:
    """A socket that nobody listens on is in the way of listening; anything else that stands there is not ours."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise ConfigError(
                f"--unix-socket {path}: there is something that is no socket; expected a free path"
            )
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            os.unlink(path)
            return
    raise ConfigError(f"--unix-socket {path}: somebody listens there already; expected a free path")


class _BadRequests(logging.Filter):
    """aiohttp logs a traceback for every request that is no HTTP; anybody could fill the disk with that."""

    def __init__(self, metrics: InterfaceMetrics) -> None:
        super().__init__()
        self._metrics = metrics

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            self._metrics.bad_requests.value += 1
            log.debug("bad request: %s", error)
            return False
        return record.levelno > logging.DEBUG


def http_logger(metrics: InterfaceMetrics) -> logging.Logger:
    """The logger for aiohttp's server: it counts requests that are no HTTP instead of logging them."""
    # A logger of its own for each server: filters belong to it, and the next server must not inherit them.
    # At debug level, because there aiohttp tells of what is not even a method of HTTP.
    logger = logging.Logger("trunkline.interface.http", logging.DEBUG)
    logger.parent = logging.getLogger("trunkline.interface")
    logger.addFilter(_BadRequests(metrics))
    return logger

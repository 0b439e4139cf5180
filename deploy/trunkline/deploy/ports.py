"""Ports: whether one is free, and holding one until the interface servers listen on it."""

from __future__ import annotations

import errno
import socket
from typing import Any

import psutil

from trunkline.protocol.errors import ConfigError
from trunkline.protocol.process.advertise import joined

LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
"""For "all addresses": one by which this machine reaches itself."""


def local_address(host: str, port: int) -> str:
    """``host:port`` by which this machine reaches what listens there."""
    return joined(LOCAL.get(host, host), port)


def free(host: str, port: int, flag: str) -> int:
    """A port that somebody else is going to listen on: the one that is asked for, or the kernel's choice for 0.

    Raises:
        ConfigError: as for `reserve`.
    """
    with reserve(host, port, flag) as holder:
        return int(holder.getsockname()[1])


def reserve(host: str, port: int, flag: str = "--port", host_flag: str = "--host") -> socket.socket:
    """Binds a port and holds it, without listening, so that the interface servers can share it.

    Several processes listen on one port by ``SO_REUSEPORT`` (socket(7)). With port 0 the kernel chooses, and somebody
    has to hold its choice until the first of them listens. A socket that is bound but does not listen takes no
    connections.

    Args:
        host: a name or address of this machine.
        port: 0 lets the kernel choose.
        flag: what sets the port, for messages.
        host_flag: what sets the host.

    Returns:
        The socket, to be closed when all listen; ``getsockname()[1]`` is the port.

    Raises:
        ConfigError: the port is taken, by whom if that can be known, or the host is no address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise ConfigError(
            f"{host_flag} {host}: {error.strerror}; give a name or address of this machine"
        ) from error
    try:
        if port:
            # Without SO_REUSEPORT first: with it we would quietly share a port with another server of this user.
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                probe.listen()
        return _shared(socket.socket(family, kind, protocol), address)
    except OSError as error:
        raise ConfigError(_why(host, port, error, flag, host_flag)) from error


def _shared(holder: socket.socket, address: Any) -> socket.socket:
    try:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(address)
    except OSError:
        holder.close()
        raise
    return holder


def _why(host: str, port: int, error: OSError, flag: str, host_flag: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use{_by(port)}; choose another with {flag}, or 0 for any free one"
    if error.errno == errno.EACCES:
        return f"port {port} may only be used by root; choose one from 1024 up with {flag}"
    return f"{host_flag} {host} {flag} {port}: {error.strerror}; give an address of this machine"


def _by(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,)
            if listens and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass  # Another user's process, or gone meanwhile: the port is taken all the same.
    return ""

"""Ports: whether one is free, and holding one."""

from __future__ import annotations

import os
import socket
from contextlib import closing

import pytest

from trunkline.deploy import ports
from trunkline.deploy.ports import reserve
from trunkline.protocol.errors import ConfigError


def test_the_kernel_chooses_a_port_that_others_can_then_share() -> None:
    with closing(reserve("127.0.0.1", 0)) as holder, socket.socket() as interface:
        interface.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        interface.bind(holder.getsockname())
        interface.listen()
        with socket.create_connection(holder.getsockname(), timeout=5):
            accepted, _ = interface.accept()
            accepted.close()


@pytest.mark.parametrize("shared", [False, True])
def test_a_port_in_use_is_named_with_who_uses_it(shared: bool) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            ConfigError, match=rf"port {port} is in use by .* \(pid {os.getpid()}\); .*--port"
        ):
            reserve("127.0.0.1", port)


def test_a_name_that_is_no_host_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"--host no\.such\.host\.invalid"):
        reserve("no.such.host.invalid", 0)


def test_an_address_of_another_machine_is_refused_by_name() -> None:
    # 192.0.2.0/24 is for documentation (RFC 5737): no machine has it.
    with pytest.raises(ConfigError, match=r"--host 192\.0\.2\.1"):
        reserve("192.0.2.1", 0)


def test_a_free_port_is_anybodys() -> None:
    port = ports.free("127.0.0.1", 0, "--prometheus-port")
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))


def test_all_addresses_are_reached_by_the_loopback_one() -> None:
    assert ports.local_address("0.0.0.0", 80) == "127.0.0.1:80"
    assert ports.local_address("::", 80) == "[::1]:80"
    assert ports.local_address("10.0.0.7", 80) == "10.0.0.7:80"

"""Listening sockets that a service manager hands over."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

import pytest

from trunkline.protocol.errors import ConfigError
from trunkline.protocol.process.inherited import inherited_sockets

FIRST = 700
"""Where a test puts what is handed over: the numbers from 3 on are pytest's own."""


@pytest.fixture
def handed() -> Iterator[list[socket.socket]]:
    """Two listening sockets, copied to `FIRST` and behind it."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    for place, item in enumerate(sockets):
        os.dup2(item.fileno(), FIRST + place)
    yield sockets
    for item in sockets:
        item.close()
    for place in range(len(sockets)):
        with contextlib.suppress(OSError):  # The test may have closed it.
            os.close(FIRST + place)


def environ(count: str = "2", pid: int | None = None, **more: str) -> dict[str, str]:
    return {"LISTEN_FDS": count, "LISTEN_PID": str(os.getpid() if pid is None else pid), **more}


def test_sockets_are_taken_and_no_program_that_is_started_gets_them(handed: list[socket.socket]) -> None:
    variables = environ(LISTEN_FDNAMES="http:more", OTHER="stays")

    taken = inherited_sockets(variables, first=FIRST)

    assert [item.getsockname() for item in taken] == [item.getsockname() for item in handed]
    assert [(item.get_inheritable(), item.getblocking()) for item in taken] == [(False, False)] * 2
    assert variables == {"OTHER": "stays"}
    for item in taken:
        item.close()


@pytest.mark.parametrize("variables", [{}, environ(pid=1), environ(count="")])
def test_what_is_for_another_process_or_nobody_counts_as_none(variables: dict[str, str]) -> None:
    assert inherited_sockets(variables, first=FIRST) == []
    assert variables == {}


def test_a_count_that_is_no_number_is_told() -> None:
    with pytest.raises(ConfigError, match="LISTEN_FDS='two'"):
        inherited_sockets(environ("two"), first=FIRST)


def test_a_descriptor_that_is_not_open_is_named_and_the_others_are_closed(
    handed: list[socket.socket],
) -> None:
    with pytest.raises(ConfigError, match=rf"descriptor {FIRST + 2} \(admin\): .*expected a listening"):
        inherited_sockets(environ("3", LISTEN_FDNAMES="a:b:admin"), first=FIRST)

    for place in range(2):
        with pytest.raises(OSError):
            os.fstat(FIRST + place)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_socket_that_does_not_listen_is_refused(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        os.dup2(other.fileno(), FIRST)

    with pytest.raises(ConfigError, match=rf"descriptor {FIRST} does not listen; expected"):
        inherited_sockets(environ("1"), first=FIRST)
    with pytest.raises(OSError):
        os.fstat(FIRST)

"""Under which address a process tells others to reach its admin server."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from trunkline.protocol.process import advertise
from trunkline.protocol.process.advertise import (
    address_of_this_machine,
    advertised,
    is_loopback,
    split_address,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("web1", ("web1", None)),
        ("web1.example.:9400", ("web1.example.", 9400)),
        ("10.0.0.7:1", ("10.0.0.7", 1)),
        ("fd00::7", ("fd00::7", None)),
        ("[fd00::7]", ("fd00::7", None)),
        ("[fd00::7]:65535", ("fd00::7", 65535)),
        ("pod_a", ("pod_a", None)),
    ],
)
def test_a_host_is_read_with_or_without_a_port(value: str, expected: tuple[str, int | None]) -> None:
    assert split_address(value) == expected


@pytest.mark.parametrize(
    "value",
    ["", ":9400", "a b", "web1:0", "web1:65536", "web1:x", "http://web1", "[web1:9", "-web1", "a:b:c"],
)
def test_anything_else_is_refused_with_what_was_expected(value: str) -> None:
    with pytest.raises(ValueError, match="expected HOST or HOST:PORT"):
        split_address(value)


@pytest.mark.parametrize(
    ("bound", "given", "told"),
    [
        ("127.0.0.1:4000", "", "127.0.0.1:4000"),
        ("10.0.0.7:4000", "", "10.0.0.7:4000"),
        ("web1:4000", "", "web1:4000"),
        ("[fd00::7]:4000", "", "[fd00::7]:4000"),
        ("0.0.0.0:4000", "web1", "web1:4000"),
        ("0.0.0.0:4000", "web1:80", "web1:80"),
        ("127.0.0.1:4000", "fd00::7", "[fd00::7]:4000"),
        ("0.0.0.0:4000", "", "own4:4000"),
        ("[::]:4000", "", "own6:4000"),
    ],
)
def test_what_was_given_wins_and_all_addresses_become_one_of_this_machine(
    bound: str, given: str, told: str
) -> None:
    assert advertised(bound, given, lambda version: f"own{version}") == told


def test_the_own_address_is_one_of_this_machine() -> None:
    host, port = split_address(advertised("0.0.0.0:4000", ""))

    assert port == 4000
    with socket.socket() as probe:
        probe.bind((host, 0))  # fails for an address of another machine


def test_without_a_way_to_others_it_is_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advertise, "_FAR", {4: (socket.AF_INET, "256.0.0.0")})

    assert address_of_this_machine(4) == socket.gethostname()


@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("127.0.0.1:1", True),
        ("127.9.0.1:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("10.0.0.7:1", False),
        ("web1:1", False),
        (":0", False),
    ],
)
def test_a_loopback_address_is_known(address: str, near: bool) -> None:
    assert is_loopback(address) is near


def test_what_is_told_can_be_read_again() -> None:
    for version in (4, 6):
        host, _ = split_address(advertised("0.0.0.0:1" if version == 4 else "[::]:1", ""))
        assert host == socket.gethostname() or ipaddress.ip_address(host)

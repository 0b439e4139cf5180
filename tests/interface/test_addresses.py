"""Limits of one address."""

from __future__ import annotations

import pytest

from trunkline.interface import addresses
from trunkline.interface.addresses import Addresses, address_key
from trunkline.interface.rate import Rate


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unknown", ""),
    ],
)
def test_an_address_counts_by_itself_or_by_its_network(host: str, key: str) -> None:
    assert address_key(host) == key


def test_one_too_many_is_refused_until_one_has_gone() -> None:
    counted = Addresses(2, None)
    for _ in range(2):
        assert counted.refuse("a", 1.0) == ""
        counted.enter("a")

    assert counted.refuse("a", 1.0) == "address"
    assert counted.refuse("b", 1.0) == ""
    counted.leave("a")
    assert counted.refuse("a", 1.0) == ""
    counted.leave("a")
    assert counted.open("a") == 0


def test_what_has_no_address_has_no_limit() -> None:
    counted = Addresses(1, Rate(1.0, 1))
    for _ in range(3):
        assert counted.refuse("", 1.0) == ""
        counted.enter("")
    counted.leave("")


def test_new_connections_have_a_rate() -> None:
    counted = Addresses(0, Rate(1.0, 2))

    assert [counted.refuse("a", 1.0) for _ in range(3)] == ["", "", "address_rate"]
    assert counted.refuse("b", 1.0) == ""
    assert counted.refuse("a", 2.5) == ""


def test_without_limits_nothing_needs_to_be_counted() -> None:
    assert not Addresses(0, None).limited
    assert Addresses(1, None).limited
    assert Addresses(0, Rate(1.0, 1)).limited


def test_so_many_addresses_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "MAX_BUCKETS", 3)
    counted = Addresses(0, Rate(1.0, 1))
    for name in "abc":
        assert counted.refuse(name, 1.0) == ""

    # Their buckets are full again by then, so nothing is lost with them.
    assert counted.refuse("d", 5.0) == ""
    assert counted.refuse("d", 5.0) == "address_rate"
    for name in "ef":
        assert counted.refuse(name, 5.0) == ""
    # All are in use: the memory stays bounded and everybody has a moment's mercy.
    assert counted.refuse("g", 5.0) == ""
    assert counted.refuse("d", 5.0) == ""

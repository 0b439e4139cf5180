"""Who a request comes from when a proxy stands between."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from trunkline.interface.proxies import Client, TrustedProxies

NEAR = "10.0.0.1"
TRUSTED = TrustedProxies(["10.0.0.0/8", "fd00::/8"])


def client(proxies: TrustedProxies, host: str, **fields: str) -> Client:
    headers = CIMultiDict((name.replace("_", "-"), value) for name, value in fields.items())
    return proxies.client(host, 5000, "http", headers)


def test_headers_of_strangers_mean_nothing() -> None:
    assert client(TRUSTED, "192.0.2.7", X_Forwarded_For="1.2.3.4", X_Forwarded_Proto="https") == Client(
        "192.0.2.7", 5000, "http"
    )
    assert client(TrustedProxies([]), NEAR, X_Forwarded_For="1.2.3.4") == Client(NEAR, 5000, "http")


def test_a_trusted_proxy_without_headers_is_the_client() -> None:
    assert client(TRUSTED, NEAR) == Client(NEAR, 5000, "http")


@pytest.mark.parametrize(
    ("forwarded_for", "host"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("6.6.6.6, 192.0.2.7", "192.0.2.7"),
        ("6.6.6.6, 192.0.2.7, 10.9.9.9", "192.0.2.7"),
        ("10.1.1.1, 10.2.2.2", "10.1.1.1"),
        ("6.6.6.6, unknown, 10.2.2.2", "10.2.2.2"),
        ("unknown", NEAR),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:10.3.3.3, ::ffff:10.4.4.4", "::ffff:10.3.3.3"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ],
)
def test_the_client_is_the_right_most_hop_that_is_no_trusted_proxy(forwarded_for: str, host: str) -> None:
    assert client(TRUSTED, NEAR, X_Forwarded_For=forwarded_for).host == host


def test_ports_are_taken_where_they_stand() -> None:
    assert client(TRUSTED, NEAR, X_Forwarded_For="192.0.2.7:443") == Client("192.0.2.7", 443, "http")
    assert client(TRUSTED, NEAR, X_Forwarded_For="[2001:db8::1]:99") == Client("2001:db8::1", 99, "http")
    assert client(TRUSTED, NEAR, X_Forwarded_For="192.0.2.7:x").port == 0


def test_the_scheme_is_that_of_the_clients_hop() -> None:
    assert client(TRUSTED, NEAR, X_Forwarded_For="192.0.2.7", X_Forwarded_Proto="https").scheme == "https"
    assert client(TRUSTED, NEAR, X_Forwarded_Proto="HTTPS").scheme == "https"
    assert client(TRUSTED, NEAR, X_Forwarded_For="192.0.2.7", X_Forwarded_Proto="gopher").scheme == "http"
    chain = {"X_Forwarded_For": "192.0.2.7, 10.1.1.1", "X_Forwarded_Proto": "https, http"}
    assert client(TRUSTED, NEAR, **chain).scheme == "https"


def test_forwarded_of_rfc_7239_is_read_where_the_other_headers_are_missing() -> None:
    value = 'for="[2001:db8::7]:47";proto=https;by=10.0.0.1, for=10.1.1.1;proto=http'
    assert client(TRUSTED, NEAR, Forwarded=value) == Client("2001:db8::7", 47, "https")
    assert client(TRUSTED, NEAR, Forwarded="proto=https") == Client(NEAR, 5000, "https")


def test_peers_of_a_unix_socket_are_trusted_on_demand() -> None:
    fields = {"X_Forwarded_For": "192.0.2.7"}

    assert client(TrustedProxies(["unix"]), "", **fields).host == "192.0.2.7"
    assert client(TrustedProxies(["unix"]), "127.0.0.1", **fields).host == "127.0.0.1"
    assert client(TRUSTED, "", **fields).host == ""

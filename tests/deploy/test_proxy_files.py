"""The examples for nginx and HAProxy hold numbers that follow from the interface server's defaults."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trunkline.interface.settings import InterfaceSettings

ROOT = Path(__file__).parents[2]
DEFAULTS = InterfaceSettings(_env_file=None)  # type: ignore[call-arg]
SILENCE_S = DEFAULTS.ping_interval_s + DEFAULTS.ping_timeout_s
"""After so long the interface server knows that a client has gone."""
AIOHTTP_LINE_BYTES = 8190
"""What aiohttp takes of a request's line or of one header."""


def directives(text: str) -> str:
    """The file without comments."""
    return re.sub(r"#(?!tls).*", "", text).replace("#tls ", "")


NGINX = directives((ROOT / "deploy/nginx/trunkline.conf").read_text())
HAPROXY = directives((ROOT / "deploy/haproxy/haproxy.cfg").read_text())


def value(text: str, name: str) -> int:
    """The number behind a name that stands there once, in seconds or bytes."""
    found = re.findall(rf"^\s*{name}\s+(\d+)([skm]?)\b", text, re.MULTILINE)
    assert len(found) == 1, (name, found)
    return int(found[0][0]) * {"": 1, "s": 1, "k": 1024, "m": 1024 * 1024}[found[0][1]]


@pytest.mark.parametrize(
    ("text", "name", "above"),
    [
        (NGINX, "proxy_read_timeout", SILENCE_S),
        (NGINX, "proxy_read_timeout", DEFAULTS.http_timeout_s),
        (NGINX, "proxy_read_timeout", DEFAULTS.handshake_timeout_s),
        (NGINX, "send_timeout", SILENCE_S),
        (HAPROXY, "timeout tunnel", SILENCE_S),
        (HAPROXY, "timeout server", DEFAULTS.http_timeout_s),
        (HAPROXY, "timeout server", DEFAULTS.handshake_timeout_s),
        (HAPROXY, "timeout client-fin", DEFAULTS.close_timeout_s),
    ],
)
def test_the_interface_server_gives_up_before_the_proxy_does(text: str, name: str, above: float) -> None:
    assert value(text, name) > above


def test_a_proxy_gives_up_idle_connections_before_the_interface_server_does() -> None:
    upstream = NGINX[NGINX.index("upstream ") : NGINX.index("}")]
    assert value(upstream, "keepalive_timeout") < DEFAULTS.request_timeout_s
    purge = re.search(r"pool-purge-delay (\d+)s", HAPROXY)
    assert purge is not None and int(purge[1]) < DEFAULTS.request_timeout_s


def test_a_head_may_take_as_long_and_a_body_be_as_large_as_without_a_proxy() -> None:
    assert value(NGINX, "client_header_timeout") == DEFAULTS.request_timeout_s
    assert value(HAPROXY, "timeout http-request") == DEFAULTS.request_timeout_s
    assert value(NGINX, "client_max_body_size") == DEFAULTS.http_max_body_bytes


def test_a_header_that_the_interface_server_takes_passes() -> None:
    buffers = re.search(r"large_client_header_buffers (\d+) (\d+)k;", NGINX)
    assert buffers is not None and int(buffers[2]) * 1024 >= AIOHTTP_LINE_BYTES


def test_nothing_that_was_sent_is_sent_again_where_that_has_effects() -> None:
    assert "non_idempotent" not in NGINX
    assert re.findall(r"proxy_next_upstream ([^;]+);", NGINX) == ["error timeout"]
    assert re.findall(r"retry-on (.+)", HAPROXY) == ["conn-failure"]


def test_a_proxy_cuts_no_socket_off_that_the_interface_server_is_about_to_close() -> None:
    assert "shutdown-sessions" not in HAPROXY

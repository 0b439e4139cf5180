"""What a request holds: paths, queries, header fields, origins and forwarding lines of any text."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from tests.fuzz.bytes_ import contents, values
from trunkline.interface.entrance import clean
from trunkline.interface.headers import RESPONSE_OWNS, TOKEN, UPGRADE_OWNS, clean_headers
from trunkline.interface.origins import Origins
from trunkline.interface.payloads import read_map
from trunkline.interface.proxies import TrustedProxies
from trunkline.interface.settings import StaticRoot
from trunkline.interface.static import locate
from trunkline.interface.upgrade import Upgrade, read_upgrade, switching

PARTS = [
    "..", ".", "%2e", "%2f", "%00", "\0", "\\", "/", "//", ":", "@", "?", "#", "[", "]", "a", "host", "http://",
    "https://", "websocket", "Upgrade", ",", ";", "=", '"', "for=", "proto=", "127.0.0.1", "::1", "10.0.0.1", "null",
    "*", "%", "\udcff", "permessage-deflate", "client_max_window_bits", "chat", "13", "dGhlIHNhbXBsZSBub25jZQ==", " ",
    "\t", "é", "\r\n", ".a", "link", "secret", "../",
]  # fmt: skip
texts = st.one_of(st.lists(st.sampled_from(PARTS), max_size=8).map("".join), st.text(max_size=40))
names = st.sampled_from(
    ["Host", "Origin", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol",
     "Sec-WebSocket-Extensions", "X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Content-Length",
     "Transfer-Encoding", "Cookie"]
)  # fmt: skip
fields = st.lists(st.tuples(names, texts), max_size=10).map(CIMultiDict)
GOOD = [
    ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> StaticRoot:
    folder = tmp_path_factory.mktemp("fuzz") / "public"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "host").write_text("public")
    (folder / ".a").write_text("secret")
    (folder.parent / "secret").write_text("secret")
    (folder / "link").symlink_to(folder.parent / "secret")
    return StaticRoot("/", folder.resolve())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts)
def test_a_path_never_leads_out_of_a_static_folder(root: StaticRoot, text: str) -> None:
    found: Path | None = locate(root, "/" + unquote(text))

    assert found is None or (found.is_relative_to(root.folder) and found.read_text() == "public")


@given(texts)
def test_text_of_a_request_can_be_sent_on(text: str) -> None:
    assert bool(clean(text).encode()) == bool(text)
    assert clean(clean(text)) == clean(text)


@given(fields, st.sampled_from(["127.0.0.1", "10.0.0.1", "::1", "", "fe80::1%eth0"]))
def test_forwarding_headers(headers: CIMultiDict[str], peer: str) -> None:
    client = TrustedProxies(["127.0.0.0/8", "10.0.0.0/8", "::1/128", "unix"]).client(peer, 1, "http", headers)

    assert client.scheme in ("http", "https")
    assert isinstance(client.host, str) and 0 <= client.port <= 99_999
    assert TrustedProxies([]).client(peer, 1, "http", headers) == (peer, 1, "http")


@given(fields)
def test_an_origin_is_allowed_only_if_it_is_listed_or_the_hosts_own(headers: CIMultiDict[str]) -> None:
    if Origins(["https://app.example"], False).refuse(headers) is None and "Origin" in headers:
        (origin,) = headers.getall("Origin")
        host = headers.getall("Host", [""])[0].strip().lower()
        stripped = origin.strip().lower()
        assert stripped.startswith("https://app.example") or (host and host.split(":")[0] in stripped)


@given(fields, st.booleans())
def test_a_handshake_is_refused_or_answered_in_one_piece(headers: CIMultiDict[str], proper: bool) -> None:
    if proper:
        headers = CIMultiDict([*GOOD, *headers.items()])
    found = read_upgrade("GET", (1, 1), headers)
    if not isinstance(found, Upgrade):
        assert 400 <= found.status < 500
        # Its text is a body and may quote the client; what stands in a header is ours.
        assert not any(set(value) & {"\r", "\n"} for value in found.headers.values())
        return
    assert all(TOKEN.fullmatch(item) for item in found.subprotocols)
    for protocol in (None, *found.subprotocols):
        head = switching(found.key, protocol, found.deflate, [])
        assert head.count(b"\r\n\r\n") == 1 and head.endswith(b"\r\n\r\n")


@given(
    st.one_of(values, st.lists(st.tuples(texts, texts).map(list), max_size=4)),
    st.sampled_from([UPGRADE_OWNS, RESPONSE_OWNS]),
)
def test_header_fields_of_an_application_never_split_a_response(value: object, owned: frozenset[str]) -> None:
    good, faults = clean_headers(value, owned)

    for name, text in good:
        assert TOKEN.fullmatch(name) and name.lower() not in owned
        assert not set(text) & {"\r", "\n", "\0"}
    assert all(isinstance(fault, str) for fault in faults)


@given(contents)
def test_any_map_that_is_sent_to_a_socket_is_read_without_a_fault_of_ours(payload: dict[str, object]) -> None:
    said = read_map(payload)

    assert all(isinstance(item, str | bytes) for item in said.frames)
    assert said.close is None or (isinstance(said.close[0], int) and isinstance(said.close[1], str))

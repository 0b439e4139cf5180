"""The WebSocket handshake, without a socket."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from trunkline.interface.handshake import (
    RESPONSE_OWNS,
    UPGRADE_OWNS,
    Origins,
    Refusal,
    Upgrade,
    accept_value,
    clean_headers,
    read_upgrade,
    switching,
    wants_websocket,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GOOD = [
    ("Host", "a.example"),
    ("Upgrade", "WebSocket"),
    ("Connection", "keep-alive, Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", KEY),
]


def headers(*extra: tuple[str, str], without: str = "") -> CIMultiDict[str]:
    return CIMultiDict([pair for pair in GOOD if pair[0] != without] + list(extra))


def refused(found: Upgrade | Refusal) -> Refusal:
    assert isinstance(found, Refusal)
    return found


def test_the_accept_value_is_that_of_the_rfc() -> None:
    assert accept_value(KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_a_proper_handshake_is_in_order() -> None:
    assert wants_websocket(headers())
    assert read_upgrade("GET", (1, 1), headers()) == Upgrade(KEY, [], False)
    offers = headers(("Sec-WebSocket-Protocol", "chat, v2"), ("Sec-WebSocket-Protocol", "v3"))
    assert read_upgrade("GET", (1, 1), offers) == Upgrade(KEY, ["chat", "v2", "v3"], False)


def test_what_is_no_handshake_is_a_plain_request() -> None:
    assert not wants_websocket(headers(without="Upgrade"))
    assert not wants_websocket(CIMultiDict({"Upgrade": "h2c"}))


@pytest.mark.parametrize(
    ("method", "version", "fields"),
    [
        ("POST", (1, 1), headers()),
        ("GET", (1, 0), headers()),
        ("GET", (1, 1), headers(without="Connection")),
        ("GET", (1, 1), headers(without="Sec-WebSocket-Key")),
        ("GET", (1, 1), headers(("Sec-WebSocket-Key", KEY))),
        ("GET", (1, 1), headers(("Sec-WebSocket-Key", "c2hvcnQ="), without="Sec-WebSocket-Key")),
        ("GET", (1, 1), headers(("Sec-WebSocket-Key", "no base64!"), without="Sec-WebSocket-Key")),
        ("GET", (1, 1), headers(("Sec-WebSocket-Key", "ü"), without="Sec-WebSocket-Key")),
        ("GET", (1, 1), headers(("Sec-WebSocket-Protocol", "a b"))),
        ("GET", (1, 1), headers(("Sec-WebSocket-Protocol", ""))),
        ("GET", (1, 1), headers(("Sec-WebSocket-Protocol", "a, a"))),
    ],
)
def test_a_malformed_handshake_is_refused_with_a_sentence(
    method: str, version: tuple[int, int], fields: CIMultiDict[str]
) -> None:
    refusal = refused(read_upgrade(method, version, fields))

    assert refusal.status == 400
    assert refusal.outcome == "malformed"
    assert len(refusal.text) > 20


@pytest.mark.parametrize(
    "version", [[], [("Sec-WebSocket-Version", "8")], [("Sec-WebSocket-Version", "13, 8")]]
)
def test_an_unknown_version_is_told_which_one_is_spoken(version: list[tuple[str, str]]) -> None:
    refusal = refused(read_upgrade("GET", (1, 1), headers(*version, without="Sec-WebSocket-Version")))

    assert refusal.status == 426
    assert refusal.headers == {"Sec-WebSocket-Version": "13"}


@pytest.mark.parametrize(
    ("offer", "taken"),
    [
        ("permessage-deflate", True),
        ("permessage-deflate; client_max_window_bits", True),
        ("permessage-deflate; client_max_window_bits=10; server_no_context_takeover", True),
        ('permessage-deflate; client_max_window_bits="12"', True),
        ("permessage-deflate; client_no_context_takeover", True),
        ("permessage-deflate; server_max_window_bits=10, permessage-deflate", True),
        ("permessage-deflate; server_max_window_bits=10", False),
        ("permessage-deflate; client_max_window_bits=99", False),
        ("permessage-deflate; client_no_context_takeover=1", False),
        ("permessage-deflate; client_no_context_takeover; client_no_context_takeover", False),
        ("permessage-deflate; what", False),
        ("x-webkit-deflate-frame", False),
    ],
)
def test_which_offers_of_compression_are_taken(offer: str, taken: bool) -> None:
    found = read_upgrade("GET", (1, 1), headers(("Sec-WebSocket-Extensions", offer)))

    assert isinstance(found, Upgrade)
    assert found.deflate is taken


def allows(origins: Origins, origin: str | None, host: str = "a.example") -> bool:
    fields = CIMultiDict({"Host": host})
    if origin is not None:
        fields["Origin"] = origin
    return origins.refuse(fields) is None


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("https://a.example", "a.example", True),
        ("http://A.example", "a.EXAMPLE", True),
        ("http://a.example:8000", "a.example:8000", True),
        ("https://a.example", "a.example:443", True),
        ("http://a.example:80", "a.example", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://b.example", "a.example", False),
        ("http://a.example.evil.example", "a.example", False),
        ("http://a.example:8001", "a.example:8000", False),
        ("https://a.example", "a.example:80", False),
        ("null", "a.example", False),
        ("http://", "a.example", False),
        ("http://a.example/path", "a.example", False),
        ("http://a.example:port", "a.example", False),
        ("http://user@a.example", "a.example", False),
        ("http://a.example", "", False),
    ],
)
def test_only_the_own_host_may_open_a_websocket_by_default(origin: str, host: str, allowed: bool) -> None:
    assert allows(Origins([], False), origin, host) is allowed


def test_more_origins_can_be_allowed() -> None:
    origins = Origins(["https://b.example", "null"], False)

    assert allows(origins, "https://b.example")
    assert allows(origins, "https://B.example:443")
    assert allows(origins, "null")
    assert not allows(origins, "http://b.example")
    assert allows(Origins(["*"], False), "http://anybody.example")


def test_a_client_without_an_origin_is_no_browser_and_passes_unless_it_must_have_one() -> None:
    assert allows(Origins([], False), None)
    assert not allows(Origins(["*"], True), None)


def test_two_origins_are_none() -> None:
    fields = CIMultiDict([("Host", "a"), ("Origin", "http://a"), ("Origin", "http://a")])
    assert Origins(["*"], False).refuse(fields) is not None


def test_the_answer_that_opens_a_websocket() -> None:
    answer = switching(KEY, "chat", True, [("X-A", "b")]).decode()

    assert answer.startswith("HTTP/1.1 101 Switching Protocols\r\n")
    assert answer.endswith("\r\nX-A: b\r\n\r\n")
    assert "Sec-WebSocket-Protocol: chat\r\n" in answer
    assert "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover" in answer
    assert "Protocol:" not in switching(KEY, None, False, []).decode()


def test_good_headers_of_an_application_pass() -> None:
    good, faults = clean_headers([["Set-Cookie", "a=1"], (b"X-B", b"\xfc"), ["X-C", " c "]], UPGRADE_OWNS)

    assert good == [("Set-Cookie", "a=1"), ("X-B", "ü"), ("X-C", "c")]
    assert faults == []
    assert clean_headers(None, UPGRADE_OWNS) == ([], [])


@pytest.mark.parametrize(
    "item",
    [
        ["X-A", "b\r\nX-Evil: 1"],
        ["X-A\r\nX-Evil", "1"],
        ["X-A", "b\x00"],
        ["X-A", "b\n"],
        ["", "b"],
        ["X A", "b"],
        ["Upgrade", "h2c"],
        ["sec-websocket-accept", "x"],
        ["X-A"],
        ["X-A", 1],
        "X-A: b",
        7,
    ],
)
def test_headers_that_could_split_or_forge_a_response_are_left_out(item: object) -> None:
    good, faults = clean_headers([item, ["X-Good", "1"]], UPGRADE_OWNS)

    assert good == [("X-Good", "1")]
    assert len(faults) == 1


def test_headers_that_are_no_list_are_left_out() -> None:
    assert clean_headers({"X-A": "b"}, RESPONSE_OWNS)[0] == []
    assert clean_headers([["Content-Length", "1"]], RESPONSE_OWNS)[0] == []

"""The upgrade to a WebSocket, without a socket."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from trunkline.interface.upgrade import (
    Refusal,
    Upgrade,
    accept_value,
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


def test_the_answer_that_opens_a_websocket() -> None:
    answer = switching(KEY, "chat", True, [("X-A", "b")]).decode()

    assert answer.startswith("HTTP/1.1 101 Switching Protocols\r\n")
    assert answer.endswith("\r\nX-A: b\r\n\r\n")
    assert "Sec-WebSocket-Protocol: chat\r\n" in answer
    assert "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover" in answer
    assert "Protocol:" not in switching(KEY, None, False, []).decode()

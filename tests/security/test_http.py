"""HTTP: no request hides in another (RFC 9112 section 11.2), no response is split, no method opens a tunnel."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.security.raw import Answer, Raw
from trunkline.protocol.names import TRIP

HOST = b"Host: x\r\n"
NEXT = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
"""What an attacker would like to have answered as somebody's request."""
CHUNKED = b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


def post(*lines: bytes) -> bytes:
    return b"\r\n".join([b"POST /a HTTP/1.1", b"Host: x", *lines, b"", b""])


def seen(answer: Answer) -> list[dict[str, Any]]:
    """The requests that reached a handler."""
    bodies = [part.partition(b"\r\n\r\n")[2] for part in answer.data.split(b"HTTP/1.1 ")[1:]]
    return [json.loads(body) for body in bodies if body.startswith(b"{")]


@pytest.mark.parametrize(
    "request_",
    [
        post(b"Content-Length: 6", b"Transfer-Encoding: chunked") + b"0\r\n\r\nG",
        post(b"Transfer-Encoding: chunked", b"Content-Length: 6") + b"0\r\n\r\nG",
        post(b"Transfer-Encoding: chunked, identity") + b"0\r\n\r\n",
        post(b"Transfer-Encoding: identity, chunked", b"Content-Length: 3") + b"0\r\n\r\n",
        post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity") + b"0\r\n\r\n",
        post(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n",
        post(b"Transfer-Encoding : chunked") + b"0\r\n\r\n",
        post(b"Transfer-Encoding:\x0bchunked") + b"0\r\n\r\n",
        post(b" Transfer-Encoding: chunked") + b"0\r\n\r\n",
        post(b"Transfer-Encoding:", b" chunked") + b"0\r\n\r\n",
        post(b"X: y", b" Content-Length: 5") + b"hello",
        post(b"Content-Length: 0", b"Content-Length: 5") + b"hello",
        post(b"Content-Length: 5", b"Content-Length: 5") + b"hello",
        post(b"Content-Length: 5, 5") + b"hello",
        post(b"Content-Length: +5") + b"hello",
        post(b"Content-Length: -5") + b"hello",
        post(b"Content-Length: 0x5") + b"hello",
        post(b"Content-Length: 0_5") + b"hello",
        post(b"Content-Length: 5 5") + b"hello",
        post(b"Content-Length: \xd9\xa5") + b"hello",
        post(b"Content-Length:") + b"hello",
        b"POST /a HTTP/1.1\nHost: x\nContent-Length: 0\n\n",
        post(b"X: y\nContent-Length: 5") + b"hello",
        post(b"X: y\rContent-Length: 5") + b"hello",
        post(b"X: y\x00Content-Length: 5") + b"hello",
        post(b"X\x00: y"),
        post(b"X y: z"),
        post(b": z"),
        post(b"Host: y"),
        b"GET /a HTTP/1.1\r\n\r\n",
        b"GET /a HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET\t/a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        CHUNKED + b"5;a\nb\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"5\nhello\n0\n\n",
        CHUNKED + b"ffffffffffffffff5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"3\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"\r\nhello\r\n0\r\n\r\n",
    ],
)
async def test_an_ambiguous_request_is_refused_and_nothing_behind_it_is_read(
    raw: Raw, request_: bytes
) -> None:
    answer = await raw.whole(request_ + NEXT)

    assert answer.statuses == [400]
    assert seen(answer) == []


@pytest.mark.parametrize(
    "request_",
    [
        CHUNKED + b"5;a=b\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"005\r\nhello\r\n0\r\n\r\n",
        post(b"Content-Length: 5") + b"hello",
        post(b"Content-Length:\t5\t") + b"hello",
    ],
)
async def test_a_body_ends_where_its_length_says_and_the_next_request_begins_there(
    raw: Raw, request_: bytes
) -> None:
    answer = await raw.send(request_ + NEXT)

    assert [(item["path"], item["body"]) for item in seen(answer)] == [("/a", "hello"), ("/smuggled", "")]


async def test_a_request_within_a_body_is_only_a_body(raw: Raw) -> None:
    answer = await raw.send(b"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(NEXT) + NEXT)

    assert [(item["path"], item["body"]) for item in seen(answer)] == [("/a", NEXT.decode())]


@pytest.mark.parametrize(
    "target", [b"/a", b"http://elsewhere/a?x", b"*", b"//elsewhere/a", b"/../../a", b"elsewhere:443"]
)
async def test_any_form_of_target_gets_an_answer(raw: Raw, target: bytes) -> None:
    answer = await raw.send(b"OPTIONS " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert answer.statuses in ([200], [400])
    assert answer.ended


@pytest.mark.parametrize("method", [b"CONNECT", b"TRACE"])
async def test_a_method_that_would_open_a_tunnel_or_send_cookies_back_never_reaches_a_handler(
    raw: Raw, method: bytes
) -> None:
    target = b"elsewhere:443" if method == b"CONNECT" else b"/a"
    answer = await raw.send(
        method + b" " + target + b" HTTP/1.1\r\nHost: x\r\nCookie: a=secret\r\n\r\n" + NEXT
    )

    assert answer.statuses == [405]
    assert answer.ended
    assert b"secret" not in answer.data


@pytest.mark.parametrize(
    "value",
    ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\x00", "\r\n\r\n<script>", "a\x0bb", "a\x7fb"],
)
async def test_a_header_that_would_split_the_response_is_refused(raw: Raw, value: str) -> None:
    query = f"name=X-Wish&value={quote(value)}".encode()
    answer = await raw.send(b"GET /respond?" + query + b" HTTP/1.1\r\nHost: x\r\n\r\n")

    assert answer.statuses == [500]
    assert b"evil" not in answer.data.lower() and b"<script>" not in answer.data


@pytest.mark.parametrize("name", ["X\r\nX-Evil", "X-Evil: 1\r\nX", "X Y", "", "X:", "Ü"])
async def test_a_header_name_that_is_no_token_is_refused(raw: Raw, name: str) -> None:
    query = f"name={quote(name)}&value=1".encode()
    answer = await raw.send(b"GET /respond?" + query + b" HTTP/1.1\r\nHost: x\r\n\r\n")

    assert answer.statuses == [500]
    assert b"evil" not in answer.data.lower()


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Connection", "Upgrade", "Trailer"])
async def test_a_handler_cannot_say_where_its_response_ends(raw: Raw, name: str) -> None:
    query = f"name={name}&value=1".encode()
    answer = await raw.send(b"GET /respond?" + query + b" HTTP/1.1\r\nHost: x\r\n\r\n" + NEXT)

    assert answer.statuses == [200, 200]
    assert answer.data.lower().count(b"content-length: 2\r\n") == 1
    assert [item["path"] for item in seen(answer)] == ["/smuggled"]


@pytest.mark.parametrize("status", ["100", "101", "199", "600", "-1", "1000"])
async def test_a_status_that_would_not_end_the_exchange_is_refused(raw: Raw, status: str) -> None:
    answer = await raw.send(f"GET /respond?status={status} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    assert answer.statuses == [500]


@pytest.mark.parametrize("status", ["204", "304"])
async def test_a_response_without_a_body_carries_none_into_the_next(raw: Raw, status: str) -> None:
    answer = await raw.send(f"GET /respond?status={status} HTTP/1.1\r\nHost: x\r\n\r\n".encode() + NEXT)

    assert answer.statuses == [int(status), 200]
    assert b"\r\n\r\nHTTP/1.1 200" in answer.data
    assert [item["path"] for item in seen(answer)] == ["/smuggled"]


async def test_cookies_and_headers_reach_a_handler_as_data_and_set_no_key_of_its_message(raw: Raw) -> None:
    lines = [
        b"reply_channel: reply.iabc!x",
        b"path: /admin",
        b"Cookie: a=b; a=c",
        b"Cookie: d",
        b"X: {0}\xff",
    ]
    answer = await raw.send(post(*lines, b"Content-Length: 0"))

    (item,) = seen(answer)
    assert item["path"] == "/a"
    assert ["reply_channel", "reply.iabc!x"] in item["headers"]
    assert [value for name, value in item["headers"] if name == "cookie"] == ["a=b; a=c", "d"]


async def test_forwarding_headers_of_a_stranger_say_nothing(raw: Raw) -> None:
    lines = [b"X-Forwarded-For: 1.2.3.4", b"X-Forwarded-Proto: https", b"Forwarded: for=1.2.3.4;proto=https"]
    answer = await raw.send(post(*lines, b"Content-Length: 0"))

    (item,) = seen(answer)
    assert item["client"][0] == "127.0.0.1"
    assert item["scheme"] == "http"


@pytest.mark.parametrize("path", ["/metrics", "/ready", "/live", "/trip", f"/{TRIP}", "/debug"])
async def test_what_the_admin_server_shows_is_an_ordinary_path_on_the_public_port(
    raw: Raw, path: str
) -> None:
    answer = await raw.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())

    (item,) = seen(answer)
    assert item["path"] == path


async def test_a_path_reaches_a_handler_as_text_whatever_is_in_it(raw: Raw) -> None:
    answer = await raw.send(
        b"GET /%00%0d%0aX:%201/%7b0%7d/%ff?a=%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )

    (item,) = seen(answer)
    assert item["path"].startswith("/\0\r\nX: 1/{0}/")
    assert answer.statuses == [200]

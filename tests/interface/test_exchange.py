"""Plain HTTP requests through workers and back."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import aiohttp
import pytest

from tests.interface.conftest import MakeRig, Rig
from tests.support.client_frames import RawClient
from tests.support.fake_layer import connection_of, silent
from tests.support.waiting import until
from trunkline.interface.exchange import read_part
from trunkline.protocol.codec import RELEASE, SEND
from trunkline.protocol.messages import Entry
from trunkline.protocol.names import REQUEST, ConnectionId


def answering(**response: Any) -> Any:
    """Answers every request with this."""

    def answer(entry: Entry, connection: ConnectionId) -> list[list[Any]] | None:
        return [[RELEASE, connection, 0, [response]]]

    return answer


async def test_a_request_becomes_a_message_and_its_answer_a_response(rig: Rig) -> None:
    async with rig.client.post(f"{rig.url}/p%20q?x=1", data=b"body", headers={"X-A": "b"}) as response:
        assert response.status == 200
        assert await response.read() == b"body"

    entry = await rig.layer.entry(REQUEST)
    event = entry.events[0]
    assert (entry.path, entry.seq) == ("/p q", 0)
    assert event["method"] == "POST"
    assert event["scheme"] == "http"
    assert event["query_string"] == "x=1"
    assert event["body"] == b"body"
    assert event["http_version"] == "1.1"
    assert ["x-a", "b"] in event["headers"]
    assert rig.server.metrics.requests.get("200").value == 1
    assert rig.server.tenure is not None
    assert rig.server.tenure.recipients == {}


async def test_status_and_headers_are_those_of_the_handler(make_rig: MakeRig) -> None:
    headers = [["Content-Type", "text/html"], ["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]]
    rig = await make_rig(answering(status=418, headers=headers, content="grüße"))

    async with rig.client.get(rig.url) as response:
        assert response.status == 418
        assert response.headers.getall("Set-Cookie") == ["a=1", "b=2"]
        assert response.headers["Content-Length"] == "7"
        assert response.headers["Server"] == "trunkline"
        assert await response.text() == "grüße"


async def test_head_gets_the_length_and_no_body(make_rig: MakeRig) -> None:
    rig = await make_rig(answering(status=200, content=b"12345"))
    async with rig.client.head(rig.url) as response:
        assert response.headers["Content-Length"] == "5"
        assert await response.read() == b""


async def test_a_forged_header_cannot_split_a_response(make_rig: MakeRig) -> None:
    headers = [
        ["X-A", "b\r\nX-Evil: 1\r\n\r\nbody"],
        ["Transfer-Encoding", "chunked"],
        ["Content-Length", "99"],
    ]
    rig = await make_rig(answering(status=200, headers=headers, content=b"ok"))
    async with rig.client.get(rig.url) as response:
        assert "X-Evil" not in response.headers
        assert await response.read() == b"ok"
    assert rig.drops("bad_payload") == 3


async def test_a_response_can_come_in_pieces(make_rig: MakeRig) -> None:
    rig = await make_rig(silent)
    async with asyncio.TaskGroup() as group:
        request = group.create_task(rig.client.get(rig.url))
        entry = await rig.layer.entry(REQUEST)
        connection = connection_of(entry)
        rig.layer.mail([SEND, connection, 0, {"status": 201, "content": b"one ", "more_content": True}])
        response = await request
        assert response.status == 201
        rig.layer.mail([RELEASE, connection, 0, [{"content": b"two ", "more_content": True}]])
        rig.layer.mail([SEND, connection, 0, {"content": b"replayed", "more_content": True}])
        rig.layer.mail([SEND, connection, -1, {"content": b"three", "more_content": False}])
        assert await response.read() == b"one two three"
    assert rig.drops("replay") == 1


async def test_a_stream_that_stops_ends_the_connection_so_that_nobody_takes_it_for_all(
    make_rig: MakeRig,
) -> None:
    rig = await make_rig(answering(content=b"begin", more_content=True), http_timeout_s=0.1)
    async with rig.client.get(rig.url) as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_a_released_request_is_not_answered_twice(make_rig: MakeRig) -> None:
    rig = await make_rig(answering(content=b"a", more_content=True))
    async with rig.client.get(rig.url) as response:
        entry = await rig.layer.entry(REQUEST)
        rig.layer.release(entry, {"content": b"again"})
        rig.layer.mail([SEND, connection_of(entry), -1, {"content": b"b"}])
        assert await response.read() == b"ab"
    assert rig.drops("replay") == 1


async def test_no_answer_in_time_is_504(make_rig: MakeRig) -> None:
    rig = await make_rig(silent, http_timeout_s=0.1)
    async with rig.client.get(rig.url) as response:
        assert response.status == 504


@pytest.mark.parametrize(
    "payload", ["text", {"status": 99}, {"status": "200"}, {"status": 200, "content": 5}, {"status": True}]
)
async def test_what_is_no_response_is_500_and_counted(make_rig: MakeRig, payload: Any) -> None:
    rig = await make_rig(lambda entry, connection: [[RELEASE, connection, 0, [payload]]])
    async with rig.client.get(rig.url) as response:
        assert response.status == 500
    assert rig.drops("bad_payload") == 1


async def test_a_body_has_a_limit_whether_its_length_is_told_or_not(make_rig: MakeRig) -> None:
    rig = await make_rig(http_max_body_bytes=100)

    async def chunks() -> Any:
        for _ in range(3):
            yield b"x" * 50

    for body in (b"x" * 101, chunks()):
        async with rig.client.post(rig.url, data=body) as response:
            assert response.status == 413
    assert rig.layer.entries == []


async def test_a_body_that_does_not_come_is_408(make_rig: MakeRig) -> None:
    rig = await make_rig(http_timeout_s=0.1)
    async with RawClient(*rig.address) as client:
        assert " 408 " in await client.head("POST / HTTP/1.1\nHost: a\nContent-Length: 10")


async def test_a_body_that_comes_when_the_server_has_started_over_is_503(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        waits = await client.head("POST / HTTP/1.1\nHost: a\nContent-Length: 1\nExpect: 100-continue")
        assert " 100 " in waits
        tenure = rig.server.tenure
        assert tenure is not None
        tenure.end()
        client.send(b"b")
        assert " 503 " in (await client.reader.readuntil(b"\r\n\r\n")).decode()
    assert rig.layer.entries == []


async def test_a_client_that_leaves_is_forgotten_and_its_answer_dropped(make_rig: MakeRig) -> None:
    rig = await make_rig(silent)
    async with RawClient(*rig.address) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        entry = await rig.layer.entry(REQUEST)
    assert rig.server.tenure is not None
    recipients = rig.server.tenure.recipients
    await until(lambda: not recipients)

    rig.layer.release(entry, {"content": b"too late"})

    assert rig.drops("gone") == 1


async def test_a_full_channel_is_503(rig: Rig) -> None:
    rig.layer.full.add(REQUEST)
    async with rig.client.get(rig.url) as response:
        assert response.status == 503
        assert "Retry-After" in response.headers


async def test_while_the_layer_is_away_requests_get_503(rig: Rig) -> None:
    rig.layer.receiver.away()
    async with rig.client.get(rig.url) as response:
        assert response.status == 503
        assert "Retry-After" in response.headers


async def test_a_client_that_does_not_read_a_stream_is_cut_off(make_rig: MakeRig) -> None:
    rig = await make_rig(silent, outbound_bytes=100_000)
    async with RawClient(*rig.address) as client:
        client.stop_reading()
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        connection = connection_of(await rig.layer.entry(REQUEST))
        assert rig.server.tenure is not None
        recipients = rig.server.tenure.recipients
        sent = 0
        while connection in recipients and sent < 1000:
            rig.layer.mail([SEND, connection, 0, {"content": b"x" * 50_000, "more_content": True}])
            sent += 1
            await asyncio.sleep(0)
        assert connection not in recipients
    assert rig.server.metrics.slow_readers.value == 1


async def test_keep_alive_and_pipelined_requests_are_answered_in_order(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        for body in (b"one", b"two", b"six"):
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n" + body)
        for body in (b"one", b"two", b"six"):
            await client.reader.readuntil(b"\r\n\r\n")
            assert await client.reader.readexactly(3) == body


async def test_a_request_in_the_absolute_form_has_its_path(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        await client.head("GET http://a.example/p?q=1 HTTP/1.1\nHost: a.example")
    entry = await rig.layer.entry(REQUEST)
    assert (entry.path, entry.events[0]["query_string"]) == ("/p", "q=1")


def test_a_part_is_whole_by_default() -> None:
    part, faults = read_part({})

    assert part is not None
    assert (part.status, part.content, part.more, faults) == (200, b"", False, [])
    assert read_part(None)[0] is None


async def test_a_client_that_does_not_take_a_whole_response_is_cut_off(make_rig: MakeRig) -> None:
    rig = await make_rig(answering(content=b"x" * 8_000_000), http_timeout_s=0.2)
    async with RawClient(*rig.address) as client:
        client.stop_reading()
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: rig.server.metrics.slow_readers.value == 1)


async def test_a_client_that_asks_before_it_sends_its_body_is_told_to_go_on(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        head = "POST / HTTP/1.1\nHost: a\nContent-Length: 4\nExpect: 100-continue"
        assert (await client.head(head)).startswith("HTTP/1.1 100 ")
        client.send(b"body")
        assert b" 200 " in await client.reader.readuntil(b"\r\n\r\n")
        assert await client.reader.readexactly(4) == b"body"


async def test_a_compressed_body_arrives_as_its_headers_describe_it(rig: Rig) -> None:
    packed = gzip.compress(b"x" * 1000)
    async with rig.client.post(rig.url, data=packed, headers={"Content-Encoding": "gzip"}) as response:
        assert await response.read() == packed

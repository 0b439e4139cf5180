"""The dashboard's routes on a real admin server."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web

from tests.support.exposition import total
from tests.support.waiting import until
from trunkline.protocol.dashboard import page as page_module
from trunkline.protocol.dashboard.broadcast import Broadcast
from trunkline.protocol.dashboard.files import static_files
from trunkline.protocol.dashboard.guard import HEADERS
from trunkline.protocol.dashboard.page import Dashboard
from trunkline.protocol.memory import MemoryBus
from trunkline.protocol.process.admin import AdminServer
from trunkline.protocol.process.metrics import MetricSet
from trunkline.protocol.settings import ProcessSettings


@dataclass
class Served:
    """A dashboard that is served.

    Attributes:
        base: ``http://host:port``.
        facts: what the next look finds.
        broadcast: who tells it.
        dashboard: the page.
        client: a session for requests.
    """

    base: str
    facts: dict[str, Any]
    broadcast: Broadcast
    dashboard: Dashboard
    client: aiohttp.ClientSession

    async def get(self, path: str, **headers: str) -> tuple[int, str, aiohttp.ClientResponse]:
        async with self.client.get(self.base + path, headers=headers, allow_redirects=False) as answer:
            return answer.status, await answer.text(), answer

    async def metric(self, sample: str) -> float:
        _, text, _ = await self.get("/metrics")
        return total(text, f"trunkline_{sample}")

    @asynccontextmanager
    async def stream(self, **headers: str) -> AsyncIterator[Callable[[], Any]]:
        """An open stream, and what reads its next event: type, data, id. Comments and retries are types of their own;
        at the end comes an `EOFError`."""
        async with self.client.get(self.base + "/dashboard/events", headers=headers) as answer:
            assert answer.status == 200 and answer.content_type == "text/event-stream"

            async def next_event() -> tuple[str, Any, str]:
                async with asyncio.timeout(10):
                    block = (await answer.content.readuntil(b"\n\n")).decode().strip()
                if not block:
                    raise EOFError
                if block.startswith(":"):
                    return "comment", block[1:].strip(), ""
                fields = dict(line.split(": ", 1) for line in block.splitlines())
                if "event" not in fields:
                    return "retry", fields["retry"], ""
                return fields["event"], json.loads(fields["data"]), fields.get("id", "")

            yield next_event


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as running:
        yield running


@asynccontextmanager
async def serving(
    limit: int = 16, interval_s: float = 60.0, host: str = "127.0.0.1"
) -> AsyncIterator[Served]:
    facts: dict[str, Any] = {"totals": {"at_s": 1.0}, "text": "</script><b>"}

    async def gather() -> dict[str, Any]:
        return dict(facts)

    async with AsyncExitStack() as ends:
        metrics, broadcast = MetricSet(), Broadcast(gather, interval_s, limit)
        dashboard = Dashboard(broadcast, metrics, host)
        admin = AdminServer(host, 0, metrics=metrics, ready=lambda: None, extra=dashboard.routes())
        base = f"http://{await admin.start()}"
        ends.push_async_callback(admin.stop)
        ends.push_async_callback(dashboard.close)
        client = await ends.enter_async_context(aiohttp.ClientSession(read_bufsize=2**22))
        yield Served(base, facts, broadcast, dashboard, client)


async def test_the_root_leads_to_the_page_wherever_a_proxy_puts_it(served: Served) -> None:
    for path, where in (("/", "dashboard"), ("/dashboard/", "../dashboard")):
        status, _, answer = await served.get(path)
        assert (status, answer.headers["Location"]) == (302, where)


async def test_the_page_and_its_files_are_served_with_every_header_of_defence(served: Served) -> None:
    for path, name in [("/dashboard", "index.html")] + [
        (f"/dashboard/{name}", name) for name in static_files() if name != "index.html"
    ]:
        status, text, answer = await served.get(path)
        assert (status, text.encode()) == (200, static_files()[name].body)
        assert answer.headers["Content-Type"] == static_files()[name].kind
        assert {key: answer.headers[key] for key in HEADERS} == HEADERS
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_file_that_the_browser_has_is_not_sent_again(served: Served) -> None:
    _, _, first = await served.get("/dashboard/dashboard.js")
    assert first.headers["Cache-Control"] == "no-cache"
    status, text, second = await served.get(
        "/dashboard/dashboard.js", **{"If-None-Match": first.headers["ETag"]}
    )
    assert (status, text) == (304, "") and {key: second.headers[key] for key in HEADERS} == HEADERS


@pytest.mark.parametrize(
    "path", ["/dashboard/nothing", "/dashboard/index.html", "/dashboard/..%2f..%2fpage.py", "/dashboard/%00"]
)
async def test_nothing_else_is_served(served: Served, path: str) -> None:
    assert (await served.get(path))[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_no_route_takes_anything(served: Served, method: str) -> None:
    for path in ("/", "/dashboard", "/dashboard/events", "/dashboard/dashboard.js"):
        async with served.client.request(method, served.base + path) as answer:
            assert answer.status == 405


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
        {"Origin": "http://evil.example"},
    ],
)
async def test_other_sites_are_refused_counted_and_start_no_look(
    served: Served, headers: dict[str, str]
) -> None:
    for path in ("/dashboard", "/dashboard/events", "/dashboard/dashboard.js"):
        status, text, answer = await served.get(path, **headers)
        assert status == 403 and text.endswith("\n") and "dashboard" in text
        assert answer.headers["X-Frame-Options"] == "DENY"
    assert served.broadcast.viewers == 0
    assert await served.metric('dashboard_refused_total{reason="not_ours"}') == 3


async def test_the_machines_own_name_is_ours(served: Served) -> None:
    assert (await served.get("/dashboard", Host=f"{socket.gethostname()}:9000"))[0] == 200


async def test_a_stream_begins_with_the_time_to_come_again_what_was_and_the_newest(served: Served) -> None:
    async with served.stream() as read:
        assert await read() == ("retry", "2000", "")
        kind, hello, _ = await read()
        assert kind == "hello" and hello["interval_s"] == 60.0 and hello["past"] == [] and hello["version"]
        kind, facts, id = await read()
        assert (kind, facts["text"]) == ("facts", "</script><b>") and id == served.broadcast.newest_id

        async with served.stream() as other:
            await other()
            assert (await other())[1]["past"] == [{"at_s": 1.0}]
            assert (await other())[2] == id
        assert await served.metric("dashboard_viewers") >= 1


async def test_who_comes_back_with_the_newest_id_is_not_told_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "KEEP_ALIVE_S", 0.01)
    async with served.stream() as read:
        while (event := await read())[0] != "facts":
            pass
        async with served.stream(**{"Last-Event-ID": event[2]}) as again:
            kinds = [(await again())[0] for _ in range(3)]
        assert kinds == ["retry", "hello", "comment"]


async def test_silence_is_filled_with_comments(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "KEEP_ALIVE_S", 0.01)
    async with served.stream() as read:
        kinds = [(await read())[0] for _ in range(5)]
    assert kinds == ["retry", "hello", "facts", "comment", "comment"]


async def test_who_finds_no_room_is_told_so_and_comes_again_later() -> None:
    async with serving(limit=1) as served, served.stream() as read:
        await read()
        async with served.stream() as other:
            assert await other() == ("retry", "30000", "")
            assert (await other())[:2] == ("refused", {"text": "as many people watch here as may"})
            with pytest.raises(EOFError):
                await other()
        assert served.broadcast.viewers == 1
        assert await served.metric('dashboard_refused_total{reason="full"}') == 1


async def test_who_has_gone_is_not_looked_for_any_more() -> None:
    async with serving(interval_s=0.005) as served:
        async with served.stream() as read:
            await read()
            assert served.broadcast.viewers == 1
        await until(lambda: served.broadcast.viewers == 0)


async def test_who_does_not_read_is_dropped_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "STALL_S", 2.0)
    async with serving(interval_s=0.05) as served:
        served.facts["text"] = "x" * 1_000_000
        host, port = served.base.removeprefix("http://").split(":")
        async with served.stream() as read:
            while (await read())[0] != "facts":
                pass
            # given one that asks and never reads
            with socket.create_connection((host, int(port))) as lazy:
                lazy.sendall(b"GET /dashboard/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
                await until(lambda: served.broadcast.viewers == 2)
                # then it is gone after a while, in which the other has read on
                while served.broadcast.viewers == 2:
                    assert (await read())[0] == "facts"
            assert (await read())[0] == "facts"
        assert await served.metric("dashboard_slow_viewers_total") == 1


async def test_who_goes_at_the_very_moment_of_being_dropped_is_gone(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stuck(web.StreamResponse):
        async def write(self, data: object) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr(page_module, "STALL_S", 0.001)
    with pytest.raises(ConnectionError, match="does not read"):
        await served.dashboard._write(cast("web.Request", SimpleNamespace(transport=None)), Stuck(), b"x")


async def test_a_server_that_stops_does_not_wait_for_who_watches(served: Served) -> None:
    async with served.stream() as read:
        while (await read())[0] != "facts":
            pass
        await served.dashboard.close()
        while True:
            try:
                kind, _, _ = await read()
            except EOFError:
                break
            assert kind == "comment"
    assert served.broadcast.viewers == 0


async def test_a_page_that_is_not_wanted_has_no_routes() -> None:
    operator = MemoryBus().operator()
    wanted = Dashboard.of_cluster(operator, MetricSet(), ProcessSettings.model_validate({}))
    unwanted = Dashboard.of_cluster(
        operator, MetricSet(), ProcessSettings.model_validate({"dashboard": False})
    )

    assert "/dashboard" in wanted.routes() and unwanted.routes() == {}
    for dashboard in (wanted, unwanted):
        await dashboard.close()
        await dashboard.close()

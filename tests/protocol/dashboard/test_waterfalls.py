"""Sampled messages from every interface server's admin port."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from trunkline.protocol.dashboard import waterfalls as waterfalls_module
from trunkline.protocol.dashboard.waterfalls import AT_ONCE, SHOWN, Waterfalls, read
from trunkline.protocol.process.admin import AdminServer
from trunkline.protocol.process.metrics import MetricSet

HOSTILE = "<script>alert(1)</script>"


def message(**changes: Any) -> dict[str, Any]:
    return {
        "id": "C:7", "connection": "secretC", "channel": "websocket.receive", "path": "/chat", "events": 1,
        "at": "2026-01-31T12:00:00.250Z", "route": "chat.echo", "worker": "w1", "attempt": 1, "outcome": "ok",
        "trace_id": "",
        "ms": {"read": 0.0, "published": 1.0, "picked_up": 3.0, "handling": 3.1, "handled": 4.1, "committed": 5,
               "written": 6.5},
        **changes,
    }  # fmt: skip


@asynccontextmanager
async def interface(answer: Any, status: int = 200) -> AsyncIterator[tuple[str, list[str]]]:
    """An admin server that tells this, its address, and who asked."""
    asked: list[str] = []

    async def tell(request: web.Request) -> web.Response:
        asked.append(request.path)
        if answer is None:
            await asyncio.Event().wait()
        return web.Response(status=status, text=answer if isinstance(answer, str) else json.dumps(answer))

    admin = AdminServer("127.0.0.1", 0, metrics=MetricSet(), ready=lambda: None, extra={"/waterfall": tell})
    try:
        yield await admin.start(), asked
    finally:
        await admin.stop()


@pytest.fixture
async def waterfalls() -> AsyncIterator[Waterfalls]:
    asking = Waterfalls()
    yield asking
    await asking.close()
    await asking.close()


def test_a_message_is_told_without_what_only_its_connection_may_know() -> None:
    (found,) = read("i1", {"messages": [message()]})

    assert len(found.pop("id")) == 16
    assert found == {
        "channel": "websocket.receive", "path": "/chat", "route": "chat.echo", "worker": "w1", "outcome": "ok",
        "at": "2026-01-31T12:00:00.250Z", "interface": "i1", "attempt": 1, "events": 1,
        "ms": {"published": 1.0, "picked_up": 3.0, "handling": 3.1, "handled": 4.1, "committed": 5, "written": 6.5},
    }  # fmt: skip
    assert "secretC" not in json.dumps(read("i1", {"messages": [message()]}))


def test_messages_are_told_apart() -> None:
    found = read("i1", {"messages": [message(), message(id="C:8"), message(at="2026")]}) + read(
        "i2", {"messages": [message()]}
    )

    assert len({item["id"] for item in found}) == 4


def test_what_nobody_told_is_not_known() -> None:
    told = message(attempt=None, events="1", ms={"published": None, "written": 6, "handled": float("inf")})
    (found,) = read("i1", {"messages": [told]})

    assert (found["attempt"], found["events"]) == (None, None)
    assert found["ms"] == {
        "published": None, "picked_up": None, "handling": None, "handled": None, "committed": None, "written": 6,
    }  # fmt: skip


@pytest.mark.parametrize(
    "answer",
    [
        None, [], "x", {}, {"messages": 7}, {"messages": [7]}, {"messages": [message(ms=3)]},
        {"messages": [message(route=3)]}, {"messages": [{"ms": {}}]},
    ],
)  # fmt: skip
def test_what_is_no_message_is_left_out(answer: object) -> None:
    assert read("i1", answer) == []


def test_names_are_passed_on_as_they_are_and_cut() -> None:
    (found,) = read("i1", {"messages": [message(route=HOSTILE, path="/" * 9_999)]})

    assert found["route"] == HOSTILE and len(found["path"]) == 200


async def test_the_newest_of_all_interface_servers_come_first(waterfalls: Waterfalls) -> None:
    times = [[message(at=f"2026-01-31T12:00:{second:02d}.000Z") for second in of] for of in ([5, 1], [3])]
    async with (
        interface({"messages": times[0]}) as (one, _),
        interface({"messages": times[1]}) as (other, _),
    ):
        found = await waterfalls.messages({"i1": one, "i2": other})

    assert [(item["at"][17:19], item["interface"]) for item in found] == [
        ("05", "i1"),
        ("03", "i2"),
        ("01", "i1"),
    ]


async def test_no_more_are_told_than_the_page_shows(waterfalls: Waterfalls) -> None:
    async with interface({"messages": [message(id=str(at)) for at in range(200)]}) as (one, _):
        assert len(await waterfalls.messages({"i1": one, "i2": one})) == SHOWN


async def test_who_does_not_tell_now_is_shown_with_what_it_told_last_until_it_has_gone(
    waterfalls: Waterfalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with interface({"messages": [message()]}) as (one, _):
        assert len(await waterfalls.messages({"i1": one})) == 1
    monkeypatch.setattr(waterfalls_module, "TIMEOUT_S", 0.2)
    assert len(await waterfalls.messages({"i1": one})) == 1  # refused by now
    assert await waterfalls.messages({}) == []
    assert await waterfalls.messages({"i1": one}) == []


@pytest.mark.parametrize(
    ("answer", "status"), [("{", 200), ({"messages": [message()]}, 404), ("x" * 3_000_000, 200)]
)
async def test_an_answer_that_is_none_is_left_out(
    waterfalls: Waterfalls, answer: object, status: int
) -> None:
    async with interface(answer, status) as (one, asked):
        assert await waterfalls.messages({"i1": one}) == []
        assert asked == ["/waterfall"]


async def test_who_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waterfalls_module, "TIMEOUT_S", 0.3)
    waterfalls = Waterfalls()
    async with interface(None) as (one, asked):
        assert await waterfalls.messages({"i1": one}) == []
        assert asked == ["/waterfall"]
        await waterfalls.close()


async def test_an_address_where_nobody_listens_is_left_out(waterfalls: Waterfalls) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert await waterfalls.messages({"i1": f"127.0.0.1:{nobody.getsockname()[1]}"}) == []


async def test_many_interface_servers_are_asked_in_turns(waterfalls: Waterfalls) -> None:
    async with interface({"messages": [message()]}) as (one, asked):
        admins = {f"i{number:02d}": one for number in range(AT_ONCE + 3)}
        counts = []
        for _ in range(3):
            before = len(asked)
            told = len(await waterfalls.messages(admins))
            counts.append((len(asked) - before, told))

    assert counts == [(AT_ONCE, AT_ONCE), (AT_ONCE, AT_ONCE + 3), (AT_ONCE, AT_ONCE + 3)]

"""Log levels that change while a process runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from tests.support.waiting import until
from trunkline.protocol.process.admin import AdminServer
from trunkline.protocol.process.log_level import (
    MAX_BODY_BYTES,
    MAX_LOGGERS,
    Change,
    LogLevels,
    log_level_routes,
    read_change,
)
from trunkline.protocol.process.metrics import MetricSet

LOGGER = "tests.of.levels"


@pytest.fixture(autouse=True)
def _levels() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level
    root.setLevel("INFO")
    yield
    root.setLevel(before)
    logging.getLogger(LOGGER).setLevel(logging.NOTSET)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Where the levels of this process are changed."""
    admin = AdminServer(
        "127.0.0.1", 0, metrics=MetricSet(), ready=lambda: None, extra=log_level_routes("info")
    )
    yield f"http://{await admin.start()}/log-level"
    await admin.stop()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def post(client: aiohttp.ClientSession, url: str, body: Any) -> dict[str, Any]:
    async with client.post(url, json=body) as answer:
        assert answer.status == 200, await answer.text()
        found: dict[str, Any] = await answer.json()
        return found


@pytest.mark.parametrize(
    ("body", "change"),
    [
        ({"level": "debug"}, Change("debug")),
        ({"level": "WARNING", "logger": "a.b-c", "for_s": 60}, Change("warning", "a.b-c", 60.0)),
        ({"level": "setting", "for_s": None}, Change("setting")),
    ],
)
def test_what_is_asked_for_is_read(body: object, change: Change) -> None:
    assert read_change(body) == change


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "expected an object"),
        ({}, "level None: expected debug, info"),
        ({"level": 10}, "level 10: expected"),
        ({"level": "loud"}, "level 'loud': expected"),
        ({"level": "debug", "logger": "a b"}, "logger 'a b': expected the name"),
        ({"level": "debug", "logger": 7}, "logger 7: expected"),
        ({"level": "debug", "logger": "x" * 201}, "expected the name"),
        ({"level": "debug", "for_s": 0}, "for_s 0: expected seconds above 0"),
        ({"level": "debug", "for_s": float("nan")}, "for_s nan: expected"),
        ({"level": "debug", "for_s": True}, "for_s True: expected"),
        ({"level": "debug", "for_s": "9"}, "for_s '9': expected"),
        ({"level": "debug", "for_s": 86_401}, "up to 86400"),
        ({"level": "setting", "for_s": 5}, "expected one of the two"),
        ({"level": "debug", "why": 1}, "unknown key 'why'"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_was_expected(body: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_change(body)


async def test_a_level_is_changed_shown_and_taken_back(url: str, client: aiohttp.ClientSession) -> None:
    assert await post(client, url, {"level": "debug"}) == {
        "level": "debug", "setting": "info", "until_s": None, "loggers": {},
    }  # fmt: skip
    assert logging.getLogger().level == logging.DEBUG
    async with client.get(url) as answer:
        assert (await answer.json())["level"] == "debug"
    assert (await post(client, url, {"level": "setting"}))["level"] == "info"
    assert (await post(client, url, {"level": "setting"}))["level"] == "info"  # twice is as once


async def test_one_logger_alone_is_changed(url: str, client: aiohttp.ClientSession) -> None:
    said = await post(client, url, {"level": "error", "logger": LOGGER})
    assert said["loggers"] == {LOGGER: {"level": "error", "until_s": None}}
    assert said["level"] == "info"
    assert not logging.getLogger(LOGGER + ".below").isEnabledFor(logging.WARNING)
    assert (await post(client, url, {"level": "setting", "logger": LOGGER}))["loggers"] == {}
    assert logging.getLogger(LOGGER).level == logging.NOTSET


async def test_without_a_logger_everything_is_taken_back(url: str, client: aiohttp.ClientSession) -> None:
    await post(client, url, {"level": "debug"})
    await post(client, url, {"level": "error", "logger": LOGGER})
    said = await post(client, url, {"level": "setting"})
    assert (said["level"], said["loggers"]) == ("info", {})
    assert logging.getLogger(LOGGER).level == logging.NOTSET


async def test_a_change_for_a_while_ends_by_itself(
    url: str, client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await post(client, url, {"level": "error", "for_s": 600}))["until_s"] > 0
    said = await post(client, url, {"level": "error", "for_s": 0.01})  # the newer counts
    assert said["until_s"] is not None
    await until(lambda: logging.getLogger().level == logging.INFO)
    # Both are told, though nothing below an error was to be.
    assert [record.getMessage() for record in caplog.records] == [
        "log level changed logger=root level=error for_s=600.0",
        "log level changed logger=root level=error for_s=0.01",
        "log level is as its setting again logger=root",
    ]


async def test_a_change_that_was_taken_back_does_not_end_a_second_time() -> None:
    levels = LogLevels("info")
    levels.change(Change("setting", LOGGER))  # nothing to take back
    levels.change(Change("debug", for_s=600.0))
    levels.change(Change("setting"))
    levels.change(Change("warning"))
    await asyncio.sleep(0)
    assert levels.as_json()["level"] == "warning"
    levels.change(Change("setting"))


async def test_so_many_loggers_have_levels_of_their_own_and_no_more() -> None:
    levels = LogLevels("info")
    names = [f"{LOGGER}.{number}" for number in range(MAX_LOGGERS + 1)]
    for name in names:
        levels.change(Change("info", name))
    levels.change(Change("debug", names[0]))
    with pytest.raises(ValueError, match="take some of them back"):
        levels.change(Change("info", f"{LOGGER}.more"))
    for name in names:
        levels.change(Change("setting", name))


async def test_a_page_in_a_browser_cannot_ask(url: str, client: aiohttp.ClientSession) -> None:
    body = b'{"level": "debug"}'
    for headers in (
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Origin": "http://127.0.0.1:8000"},
        {"Content-Type": "application/json", "Origin": "null"},
    ):
        async with client.post(url, data=body, headers=headers) as answer:
            assert answer.status == 403
    assert logging.getLogger().level == logging.INFO


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b'{"level": "loud"}', 400), (b" " * (MAX_BODY_BYTES + 1), 413)]
)
async def test_what_cannot_be_read_changes_nothing(
    url: str, client: aiohttp.ClientSession, body: bytes, status: int
) -> None:
    async with client.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
        assert answer.status == status
        assert "Traceback" not in await answer.text()
    assert logging.getLogger().level == logging.INFO

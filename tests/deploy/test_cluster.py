"""Who else serves the Redis that a cluster is to use, and whether a message makes the trip."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from trunkline.deploy import cluster
from trunkline.deploy.cluster import NotReady, mixing, trips
from trunkline.protocol.messages import LeaseInfo


def worker(detail: str) -> LeaseInfo:
    return LeaseInfo("w1", "worker", "host", 1, "", "0.1.0", 0.0, detail)


def test_workers_of_another_application_are_warned_about() -> None:
    warning = mixing([worker("echo.routing"), worker("chat.routing"), worker("echo.routing")], "chat.routing")
    assert warning is not None
    assert warning.startswith("workers of echo.routing serve the same Redis and prefix")
    assert "--prefix" in warning


def test_more_workers_of_the_same_application_are_welcome() -> None:
    assert mixing([worker("chat.routing"), worker("")], "chat.routing") is None
    assert mixing([], "chat.routing") is None


class Admin:
    """The admin port of an interface server that answers as told."""

    def __init__(self) -> None:
        self.refusals: list[str] = []
        """What `/ready` refuses with, one after the other."""
        self.trip_status = 200
        self.trips = 0
        self.lease = LeaseInfo("i1", "interface", "host", 1, "", "0.1.0", 0.0, "")

    async def answer_ready(self, request: web.Request) -> web.Response:
        if self.refusals:
            return web.Response(status=503, text=f"{self.refusals.pop(0)}\n")
        return web.Response(text="ok\n")

    async def answer_trip(self, request: web.Request) -> web.Response:
        self.trips += 1
        assert not self.refusals, "asked for a trip before it was ready"
        return web.Response(status=self.trip_status, text="no worker answered within 5 s\n")


@pytest.fixture
async def admin() -> AsyncIterator[Admin]:
    found = Admin()
    app = web.Application()
    app.add_routes([web.get("/ready", found.answer_ready), web.get("/trip", found.answer_trip)])
    async with TestServer(app) as server:
        found.lease = LeaseInfo(
            "i1", "interface", "host", 1, f"{server.host}:{server.port}", "0.1.0", 0.0, ""
        )
        yield found


async def test_a_server_that_holds_its_lease_but_is_still_starting_is_waited_for(admin: Admin) -> None:
    admin.refusals = ["starting", "starting"]
    await trips([admin.lease])
    assert admin.trips == 1


async def test_a_server_that_never_gets_ready_is_named_with_its_reason(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "TRIP_TIMEOUT_S", 0.2)
    admin.refusals = ["the channel layer does not answer"] * 1000
    with pytest.raises(
        NotReady, match=r"interface server i1 \[1\] is not ready after 0\.2 s: the channel layer"
    ):
        await trips([admin.lease])
    assert admin.trips == 0


async def test_a_trip_that_does_not_come_back_is_told(admin: Admin) -> None:
    admin.trip_status = 504
    with pytest.raises(
        NotReady, match=r"makes the trip through interface server i1 \[1\]: no worker answered"
    ):
        await trips([admin.lease])

"""How a link behaves while there is nothing to connect to, or while what it tells others fails."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.protocol.redis_layer.conftest import Faulty
from tests.support.waiting import until
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.redis_layer import link as module
from trunkline.protocol.redis_layer.link import Link

NAME = "trunkline-test"


class Told:
    """What a link tells its owner, who may fail on it."""

    def __init__(self) -> None:
        self.ups = 0
        self.downs = 0
        self.fault: Exception | None = None

    async def up(self) -> None:
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        self.ups += 1

    def down(self) -> None:
        self.downs += 1


async def test_a_redis_that_is_gone_after_long_service_is_tried_again_with_growing_pauses(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    link = Link(faulty.settings.redis_url, NAME, told.up, told.down)
    await link.open()
    loop = asyncio.get_running_loop()
    attempts_s: list[float] = []

    async def refused() -> None:
        attempts_s.append(loop.time())
        if len(attempts_s) > 1000:  # of a loop that never yields no test would ever be told
            await link.close()
        raise LayerUnavailable("nobody listens")

    served_until_s = loop.time() + module.LAST_BACKOFF_S
    await until(lambda: loop.time() > served_until_s, what="it has been up long enough to count")
    monkeypatch.setattr(link, "_connect", refused)

    faulty.cut([NAME])
    await until(lambda: len(attempts_s) >= 5, 10)
    await link.close()

    pauses_s = [later - earlier for earlier, later in itertools.pairwise(attempts_s)]
    assert len(attempts_s) < 10
    assert pauses_s[3] > 2 * pauses_s[0] > module.FIRST_BACKOFF_S / 2


async def test_an_owner_that_fails_when_it_is_told_does_not_end_the_link(
    faulty: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    told = Told()
    link = Link(faulty.settings.redis_url, NAME, told.up, told.down)
    await link.open()

    told.fault = ZeroDivisionError("a fault of the owner")
    faulty.cut([NAME])

    await until(lambda: told.ups == 2)
    assert link.up
    assert "a fault of the owner" in caplog.text
    await link.close()


async def test_a_link_whose_opening_is_cancelled_leaves_nothing_open(faulty: Faulty) -> None:
    told = Told()
    for steps in range(12):
        link = Link(faulty.settings.redis_url, NAME, told.up, told.down)
        opening = asyncio.create_task(link.open())
        for _ in range(steps):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await link.close()

    await until(lambda: NAME not in [client["name"] for client in faulty.client.client_list()])

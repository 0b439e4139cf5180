"""The main job, seen by people: real Chromium windows, real processes, a real Redis."""

from __future__ import annotations

import os
import signal

import pytest

from tests.support.chat_page import MEANWHILE, OPEN, at, conversation, join, reads, say
from tests.support.chromium import Browser, Page
from tests.support.cluster import Cluster
from tests.support.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

MARKUP = "<img src=x onerror=\"document.title='broken in'\"><script>alert(1)</script>"


def logged(cluster: Cluster) -> int:
    """How many messages the workers have written down."""
    return sum(map(len, cluster.worker_lines("Passing on").values()))


async def two_windows_on_different_interfaces(
    browser: Browser, cluster: Cluster
) -> tuple[Page, int, Page, int]:
    """Ada and Grace in one room, with the process ids of the interface servers that hold their sockets."""
    ada = await join(browser, cluster.url, "Ada")
    ((hers, _),) = (await held(cluster, 1)).items()
    grace = await join(browser, cluster.url, "Grace")
    # The kernel spreads connections over the processes that share a port; leave and come back until it has chosen
    # the other one.
    for _ in range(40):
        others = [pid for pid in await held(cluster, 2) if pid != hers]
        if others:
            return ada, hers, grace, others[0]
        await grace.evaluate("document.getElementById('leave').click()")
        await held(cluster, 1)
        await grace.evaluate("document.getElementById('join-form').requestSubmit()")
        await grace.until(OPEN)
    raise AssertionError("forty connections went to the same interface server")


async def held(cluster: Cluster, count: int) -> dict[int, int]:
    """Waits until the interface servers hold so many sockets; process id to how many, of those that hold any."""

    async def look() -> dict[int, int] | None:
        held = {pid: number for pid, number in (await cluster.connections()).items() if number}
        return held if sum(held.values()) == count else None

    found = await until(look, within_s=10, what=f"{count} open sockets")
    assert found is not None
    return found


async def test_two_people_chat_through_different_interface_servers_and_workers(
    browser: Browser, cluster: Cluster
) -> None:
    # given two windows whose sockets two processes hold
    ada, hers, grace, his = await two_windows_on_different_interfaces(browser, cluster)
    assert hers != his
    # when each says something in turn, markup too
    said = []
    for number in range(1, 6):
        for page, text in ((ada, f"Ada's line {number}"), (grace, f"Grace's line {number}")):
            await say(page, text)
            await reads(ada, text)
            await reads(grace, text)
            said.append(text)
    await say(ada, MARKUP)
    await reads(grace, MARKUP)
    await reads(ada, MARKUP)
    # then both read the same, once, in the same order
    assert await conversation(ada) == await conversation(grace) == [*said, MARKUP]
    # and both workers have taken a share, as they say behind a pipe of their own
    await until(lambda: logged(cluster) == len(said) + 1, 10, "every message is in the workers' logs")
    assert len(cluster.worker_lines("Passing on")) == 2
    # and own messages look different, and markup made no element
    assert await ada.evaluate("document.querySelectorAll('#log .own').length") == 6
    assert await grace.evaluate("document.querySelectorAll('#log .own').length") == 5
    assert await grace.evaluate("document.querySelectorAll('#log img, #log script').length") == 0
    assert "broken in" not in await grace.evaluate("document.title")
    for page in (ada, grace):
        assert page.faults == []
        assert page.network == []


async def test_a_window_comes_back_when_its_interface_server_is_killed_and_sends_what_was_written_meanwhile(
    browser: Browser, cluster: Cluster
) -> None:
    # given two windows, and one that writes at the very moment in which it notices that its connection is gone
    ada, hers, grace, _ = await two_windows_on_different_interfaces(browser, cluster)
    await at(
        ada,
        "waiting",
        """() => {
            document.getElementById("text").value = "Written without a connection";
            document.getElementById("composer").requestSubmit();
            return {
                pending: document.getElementById("pending").innerText,
                trouble: document.getElementById("trouble").innerText,
            };
        }""",
    )
    # when her interface server is killed
    os.kill(hers, signal.SIGKILL)
    seen = await ada.evaluate(MEANWHILE)
    # then the page says so, and that the message waits
    assert "Written without a connection" in seen["pending"]
    assert "Waits for the connection" in seen["pending"]
    assert "The connection is lost." in seen["trouble"]
    # and it comes back by itself, and the message arrives, once
    await ada.until(OPEN)
    await reads(ada, "Written without a connection")
    await reads(grace, "Written without a connection")
    assert await ada.evaluate("document.querySelectorAll('#pending li').length") == 0
    assert not await ada.evaluate("document.getElementById('trouble').checkVisibility()")
    # and the conversation goes on both ways, while the other window noticed nothing
    await say(grace, "Still here?")
    await reads(ada, "Still here?")
    assert ada.faults == grace.faults == []
    assert grace.network == []

"""The dashboard in a real Chromium, told figures of the tests' own choice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.chromium import Browser, Page
from tests.support.contrast import CONTRASTS
from tests.support.dashboard import Feed, a_message, a_process, fed_dashboard, figures
from trunkline.protocol.errors import LayerUnavailable

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

HOSTILE = "<img src=x onerror=\"document.title='broken in'\"><script>document.title='broken in'</script>"
OVERFLOWING = """[...document.querySelectorAll("main section table")]
  .filter((table) => table.getBoundingClientRect().right > table.closest("section").getBoundingClientRect().right)
  .map((table) => table.closest("section").getAttribute("aria-labelledby"))"""
"""Cards beyond whose edge their table reaches."""

FINDINGS = [
    {
        "check": "eviction",
        "severity": "error",
        "where": "redis://h",
        "what": "it may evict keys",
        "fix": "change it",
    },
    {"check": "unserved", "severity": "warning", "where": "thumbnails", "what": "waits for 61 s", "fix": ""},
]


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    async with fed_dashboard() as running:
        yield running


async def state(page: Page, name: str) -> None:
    await page.until(f"document.body.dataset.state === {json.dumps(name)}")


async def shown(browser: Browser, feed: Feed) -> Page:
    """The page once it is live and has figures."""
    page = await browser.page()
    await page.size(1280, 900)
    await page.open(feed.url)
    await state(page, "live")
    return page


async def text(page: Page, selector: str) -> str:
    found: str = await page.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")
    return found


async def test_every_figure_has_its_place_and_follows_the_events(browser: Browser, feed: Feed) -> None:
    # given
    feed.facts = figures(findings=FINDINGS)
    page = await shown(browser, feed)
    # then
    assert await text(page, "#summary") == "1 interface server, 1 worker"
    assert (await text(page, "[data-field=in_per_s]")).split() == ["Messages", "in", "240", "/s"]
    assert (await text(page, "[data-field=wait_s] .value")) == "2.00 ms"
    row = "#processes tr:nth-child(2)"
    for figure in (
        "worker",
        "w1",
        "web-1 [4100]",
        "12 of 64 slots",
        "120/s",
        "40 %",
        "76 MiB",
        "2.00 ms",
        "2h13m",
    ):
        assert figure in await text(page, row)
    assert (await text(page, "#channels tr")).split("\t") == [
        "websocket.receive", "3", "5", "240/s", "2.00 ms", "1.00 ms", "10 ms",
    ]  # fmt: skip
    assert (await text(page, "#routes tr")).split("\t") == [
        "chat.consumers.ws_echo",
        "240/s",
        "1.40 ms",
        "5.00 ms",
        "0",
    ]
    assert (await text(page, ".finding")).split() == [
        "Critical", "redis://h", "it", "may", "evict", "keys", "change", "it",
    ]  # fmt: skip
    # when they change, then the page does, in place
    await page.evaluate("window.row = document.querySelector('#processes tr'); 0")
    feed.facts = figures(processes=[a_process("i1", "interface", busy=77.0), a_process("w2", "worker")])
    await page.until("document.getElementById('processes').innerText.includes('77 connections')")
    assert await page.evaluate("window.row === document.querySelector('#processes tr')")
    assert await page.evaluate(
        "[...document.querySelectorAll('#processes .id')].map((id) => id.textContent)"
    ) == [
        "i1",
        "w2",
    ]
    assert await page.evaluate("document.getElementById('findings').hidden")
    # and the lines have grown, and say in words what they show
    await page.until("document.querySelector('.tile .spark').getAttribute('aria-label').startsWith('last ')")
    assert page.faults == page.network == []


async def test_names_that_are_markup_are_text(browser: Browser, feed: Feed) -> None:
    # given a cluster in which everything that somebody else names is hostile
    feed.facts = figures(
        processes=[
            a_process(HOSTILE, "interface", host=HOSTILE),
            a_process("w1", HOSTILE, answers=False, error=HOSTILE),
        ],
        channels=[{**figures()["channels"][0], "name": HOSTILE}],
        routes=[{**figures()["routes"][0], "name": HOSTILE}],
        findings=[dict.fromkeys(("check", "severity", "where", "what", "fix"), HOSTILE)],
        messages=[
            a_message("m1", route=HOSTILE, channel=HOSTILE, path=HOSTILE, worker=HOSTILE, outcome=HOSTILE)
        ],
        trouble=HOSTILE,
    )
    page = await browser.page()
    await page.open(feed.url)
    await state(page, "trouble")
    await page.evaluate("document.querySelector('.trip button').click()")
    # then each of them stands there as it is written
    for place in (
        "#processes",
        "#channels",
        "#routes",
        "#finding-list",
        "#trips",
        "#trips .figures",
        "#alerts",
    ):
        assert HOSTILE in await text(page, place), place
    # and none became an element, or ran
    assert await page.evaluate("document.querySelectorAll('main img, #alerts img, body script').length") == 0
    assert "broken in" not in await page.evaluate("document.title")
    # and even a line that would make markup of text cannot: the policy forbids it
    refused = await page.evaluate(
        f"(() => {{ try {{ document.body.innerHTML = {json.dumps(HOSTILE)}; return 'made'; }} "
        "catch (error) { return error.name; } })()"
    )
    assert refused == "TypeError"
    page.faults.clear()  # of that line, which Chromium reports
    await page.until("document.getElementById('channels').childElementCount === 1")
    assert page.faults == page.network == []


async def test_a_stream_that_stops_makes_the_figures_stale_and_comes_back(
    browser: Browser, feed: Feed
) -> None:
    page = await shown(browser, feed)
    # when no events come any more
    feed.error = RuntimeError("ended")  # ends the streams, and each that is begun again
    await state(page, "stale")
    # then the page says so, to those who hear it too, and that its figures are old
    assert "No events come any more" in await text(page, "#alerts")
    assert await page.evaluate("document.getElementById('alerts').getAttribute('aria-live')") == "polite"
    assert await page.evaluate("document.title") == "Stale · Trunkline"
    await page.until("document.getElementById('age').innerText.endsWith('old')")
    assert (await text(page, "#summary")) == "1 interface server, 1 worker"
    # when they come again, then it is live by itself
    feed.error = None
    await state(page, "live")
    await page.until(
        "!document.getElementById('alerts').innerText && !document.getElementById('age').innerText"
    )


async def test_while_redis_is_away_it_says_so_and_keeps_what_it_knew(browser: Browser, feed: Feed) -> None:
    page = await shown(browser, feed)
    feed.error = LayerUnavailable("Redis at redis://h:6379/0 does not answer")
    await state(page, "trouble")
    assert await text(page, "#state") == "Redis away"
    assert "redis://h:6379/0 does not answer" in await text(page, "#alerts")
    assert "w1" in await text(page, "#processes")
    feed.error = None
    await state(page, "live")
    await page.until("!document.getElementById('alerts').innerText")


@pytest.mark.parametrize(
    ("processes", "said"),
    [
        ([], "No worker lives"),
        ([a_process("i1", "interface")], "No worker lives"),
        ([a_process("w1", "worker")], "No interface server lives"),
        (
            [
                a_process("i1", "interface"),
                a_process("w1", "worker", answers=False, error="no answer within 3 s"),
            ],
            "No figures from w1",
        ),
    ],
)
async def test_what_is_missing_is_said_first(
    browser: Browser, feed: Feed, processes: list[dict[str, Any]], said: str
) -> None:
    feed.facts = figures(processes=processes)
    page = await shown(browser, feed)
    assert said in await text(page, "#alerts")
    assert page.faults == []


async def test_an_empty_cluster_has_words_instead_of_empty_tables(browser: Browser, feed: Feed) -> None:
    feed.facts = figures(processes=[], channels=[], routes=[], messages=[])
    page = await shown(browser, feed)
    empty = await page.evaluate(
        "[...document.querySelectorAll('.empty')].map((line) => line.checkVisibility())"
    )
    assert empty == [True] * 4
    assert (
        await page.evaluate(
            "[...document.querySelectorAll('table')].some((table) => table.checkVisibility())"
        )
        is False
    )


async def test_who_finds_no_room_is_told_and_waits(browser: Browser) -> None:
    async with fed_dashboard(limit=1) as feed:
        await shown(browser, feed)
        page = await browser.page()
        await page.open(feed.url)
        await state(page, "refused")
        assert "as many people watch here as may" in await text(page, "#alerts")
        assert page.faults == []


async def test_a_message_is_drawn_by_its_parts_on_one_scale(browser: Browser, feed: Feed) -> None:
    # given three messages: one of all parts, one of a worker that did not tell, one that was slow and failed
    untold = dict.fromkeys(("picked_up", "handling", "handled", "committed"))
    feed.facts = figures(
        messages=[
            a_message("m1", at="2026-01-31T12:00:02.000Z"),
            a_message("m2", at="2026-01-31T12:00:01.000Z", route="", ms={"published": 1.0, **untold, "written": 9.0}),
            a_message("m3", at="2026-01-31T12:00:00.000Z", route="shop.slow", attempt=2, outcome="error",
                      ms={**a_message("m")["ms"], "committed": 38.0, "written": 40.0}),
        ]
    )  # fmt: skip
    page = await shown(browser, feed)
    # then the newest stands first, or the slowest, as one likes
    names = "[...document.querySelectorAll('.trip [data-field=route]')].map((name) => name.textContent)"
    assert await page.evaluate(names) == ["chat.consumers.ws_echo", "websocket.receive", "shop.slow"]
    await page.evaluate("document.querySelector('input[value=slowest]').click()")
    assert await page.evaluate(names) == ["shop.slow", "websocket.receive", "chat.consumers.ws_echo"]
    assert (await text(page, ".trip .name")).split() == ["shop.slow", "attempt", "2", "error"]
    # and the bars lie on a scale of 40 ms
    marks = await page.evaluate(
        "[...document.querySelectorAll('#scale span')].map((mark) => mark.textContent)"
    )
    assert marks == ["0", "10 ms", "20 ms", "30 ms", "40 ms"]
    drawn = await page.evaluate(
        "[...document.querySelectorAll('.trip')].map((trip) => [...trip.querySelectorAll('rect')].map((bar) => "
        "[bar.dataset.part, parseFloat(bar.getAttribute('x')), parseFloat(bar.getAttribute('width'))]))"
    )
    assert drawn[2] == [
        ["1", 0, 1.25], ["2", 1.25, 3.75], ["3", 5, pytest.approx(0.5)], ["4", pytest.approx(5.5), pytest.approx(9.5)],
        ["5", 15, 2.5], ["6", 17.5, 2.5],
    ]  # fmt: skip
    assert [part for part, *_ in drawn[1]] == ["1", "?"]
    # and by the keyboard one has the figures
    await page.evaluate("document.querySelector('.trip:nth-child(2) button').focus()")
    await page.enter()
    await page.until("!document.querySelector('.trip:nth-child(2) .figures').hidden")
    told = await text(page, ".trip:nth-child(2) .figures")
    assert "? published → written\n8.00 ms" in told and "worker\nw1" in told and "path\n/chat/lobby" in told
    # and while one looks nothing moves, which the page says by a timer of its own
    await page.until("document.getElementById('held').checkVisibility()")
    seen = feed.looks
    feed.facts = figures(messages=[a_message("m9", route="newer")])
    await page.until("document.querySelector('.tile .spark') && true")
    while feed.looks < seen + 5:
        await page.evaluate("new Promise((done) => setTimeout(done, 20))")
    assert "newer" not in await page.evaluate(names)
    await page.evaluate("document.activeElement.blur()")
    await page.until(f"{names}.join() === 'newer'")
    assert page.faults == []


@pytest.mark.parametrize("width", [360, 800, 1200, 1440, 1600])
async def test_all_can_be_read_in_light_and_dark_at_every_width(
    browser: Browser, feed: Feed, width: int
) -> None:
    # given one of everything that has a colour, and long names
    long = "shop.orders.place_an_order_and_tell_everybody_about_it_at_once." * 3
    feed.facts = figures(
        processes=[
            a_process("i" + "0123456789ab", "interface"),
            a_process("w" + "0123456789ab", "worker", busy=63.0),
            a_process("w" + "ba9876543210", "worker", answers=False, error="no answer within 3 s", busy=None),
            a_process(
                "redis://user@a-host-with-a-long-name.example:6379/0", "redis", host="Redis 7.2.5", pid=None
            ),
        ],
        channels=[{**figures()["channels"][0], "name": long}],
        routes=[{**figures()["routes"][0], "name": long, "failed_per_s": 0.5}],
        findings=FINDINGS,
        messages=[a_message("m1", route=long, attempt=2, outcome="timeout", path="/x" * 99)],
    )
    feed.facts["totals"] |= {"dead_letters": 3, "failed_per_s": 0.5}
    page = await browser.page()
    await page.size(width, 900, phone=width < 500)
    await page.open(feed.url)
    await state(page, "live")
    await page.evaluate("document.querySelector('.trip button').click()")
    grounds = []
    for scheme in ("light", "dark"):
        await page.scheme(scheme)
        # then every text has the contrast of WCAG's level AA
        found: dict[str, Any] = await page.evaluate(CONTRASTS)
        assert found["low"] == [] and found["seen"] > 60, scheme
        grounds.append(found["ground"])
        # and nothing sticks out sideways, of the page or of the card that it stands on
        assert await page.evaluate(OVERFLOWING) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert grounds[1] < 0.05 < 0.7 < grounds[0]
    assert page.faults == []


async def test_the_page_is_one_that_can_be_heard_and_walked_through(browser: Browser, feed: Feed) -> None:
    page = await shown(browser, feed)
    # landmarks, a heading for each section, and a header for each cell
    assert await page.evaluate(
        "['header', 'main', 'footer'].every((name) => document.querySelectorAll(name).length === 1)"
    )
    assert await page.evaluate(
        "[...document.querySelectorAll('section')].every((it) => document.getElementById("
        "it.getAttribute('aria-labelledby')).textContent.trim())"
    )
    assert await page.evaluate(
        "[...document.querySelectorAll('table')].every((table) => table.querySelector('tbody [scope=row]') && "
        "table.querySelectorAll('thead [scope=col]').length === table.querySelector('tbody tr').children.length)"
    )
    # and the keyboard reaches what can be used, each with a focus that can be seen
    reached = []
    for _ in range(6):
        await page.press("Tab", 9)
        it = await page.evaluate(
            "(({ activeElement: it }) => [it.className || it.name || it.tagName, getComputedStyle(it).outlineStyle, "
            "it.nextElementSibling && getComputedStyle(it.nextElementSibling).outlineStyle])(document)"
        )
        reached.append(it[0])
        assert it[0] == "BODY" or "none" not in it[1:2] or it[2] != "none", it
    assert {"skip", "order", "BUTTON", "A"} <= set(reached)

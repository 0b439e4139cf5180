"""The chat's page in a real Chromium, against interface server and worker in this process."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from examples.chat import consumers
from tests.support.chat_page import MEANWHILE, OPEN, PENDING, at, join, reads, say
from tests.support.chromium import Browser, Page
from tests.support.contrast import CONTRASTS
from tests.support.stack import Stack, stack
from trunkline.worker import Message, channel_session, route

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

STATIC = Path(__file__).parents[2] / "examples" / "chat" / "static"
ROOM = r"^/chat/\w+$"


@channel_session
def ws_echo(message: Message) -> None:
    """The example's handler, with words by which a test makes the server misbehave."""
    word, _, rest = message.content["text"].partition(" ")
    if word == "/close":
        message.reply_channel.send({"close": int(rest), "reason": "by request"})
    elif word == "/garbage":
        message.reply_channel.send({"text": "{ not JSON"})
    elif word != "/lose":
        consumers.ws_echo(message)


ROUTES = [
    route("websocket.connect", consumers.ws_add, path=r"^/chat/(?P<room>\w+)$"),
    route("websocket.receive", ws_echo, path=ROOM),
    route("websocket.disconnect", consumers.ws_leave, path=ROOM),
]


@pytest.fixture
async def served() -> AsyncIterator[Stack]:
    async with stack(ROUTES, static=[f"/={STATIC}"]) as running:
        yield running


async def heard(page: Page, text: str) -> None:
    await page.until(f"document.getElementById('log').innerText.includes({json.dumps(text)})")


async def shown(page: Page, element: str) -> str:
    """What a reader sees of an element; empty if it is hidden."""
    text: str = await page.evaluate(
        f"(({{ el }}) => el.checkVisibility() ? el.innerText : '')({{ el: document.getElementById('{element}') }})"
    )
    return text


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
async def test_all_text_can_be_read_in_light_and_in_dark(
    browser: Browser, served: Stack, phone: bool
) -> None:
    # given a conversation with everything in it that has a colour: names, notices, own, doubtful and waiting messages
    page = await browser.page()
    await page.size(*((390, 844) if phone else (1280, 800)), phone=phone)
    grounds: list[float] = []
    await page.open(served.url("/"))
    await _look(page, grounds)
    await page.open(served.url("/?room=lobby&name=Ada"))
    await page.until(OPEN)
    others = [
        await join(browser, served.url("/"), name)
        for name in ("Grace", "Linus", "Margaret", "Barbara", "Ken")
    ]
    for other in others:
        await say(other, "Hello")
        await page.until(f"document.querySelectorAll('#log .bubble').length > {others.index(other)}")
    await say(page, "Mine")
    await reads(page, "Mine")
    await _look(page, grounds)
    # when the connection ends while a message is on its way
    await say(page, "/lose this")
    await say(page, "/close 1008")
    await page.until("document.getElementById('state').dataset.state === 'stopped'")
    await say(page, "waits")
    await page.until(f"{PENDING}.length === 3")
    # then every text has the contrast of WCAG's level AA, on a ground that follows the scheme
    await _look(page, grounds)
    assert max(grounds[1::2]) < 0.05 < 0.7 < min(grounds[::2])
    # and nothing sticks out sideways
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.faults == []


async def _look(page: Page, grounds: list[float]) -> None:
    for scheme in ("light", "dark"):
        await page.scheme(scheme)
        found: dict[str, Any] = await page.evaluate(CONTRASTS)
        assert found["seen"] >= 5
        assert found["low"] == [], scheme
        grounds.append(found["ground"])


async def test_the_keyboard_alone_reaches_everything(browser: Browser, served: Stack) -> None:
    # given a person without a mouse, who has joined
    page = await join(browser, served.url("/"), "Ada", "tea room")
    # then the cursor stands where one writes
    assert await page.evaluate("document.activeElement.id") == "text"
    # and Tab goes round through all there is, each with a focus that can be seen
    reached = []
    for _ in range(6):
        await page.press("Tab", 9)
        reached.append(await page.evaluate("document.activeElement.id"))
        assert await page.evaluate(
            "(({ activeElement: it, body }) => it === body || getComputedStyle(it).outlineStyle !== 'none')(document)"
        )
    assert {"send", "copy", "leave", "scroller", "text"} <= set(reached)


async def test_room_and_name_stay_where_a_reload_and_a_link_find_them(
    browser: Browser, served: Stack
) -> None:
    # given somebody in a room whose name was not typed quite right
    page = await join(browser, served.url("/"), "Ada", "tea room")
    assert await page.evaluate("location.search") == "?room=tea_room"
    assert await shown(page, "room-title") == "tea_room"
    # when the page is loaded again, then it is in the room at once
    await page.open(served.url("/?room=tea_room"))
    await page.until(OPEN)
    assert await shown(page, "me") == "Ada"
    # when they leave, then the form is there with their name, and the cursor in it
    await page.evaluate("document.getElementById('leave').click()")
    assert await page.evaluate("document.getElementById('name').value") == "Ada"
    assert await page.evaluate("document.activeElement.id") == "room"
    assert await page.evaluate("location.search") == ""
    # and going back leads into the room again
    await page.evaluate("history.back()")
    await page.until(f"!document.getElementById('chat').hidden && {OPEN}")
    assert page.faults == []


async def test_a_wrong_name_or_room_is_explained_beside_its_field(browser: Browser, served: Stack) -> None:
    page = await browser.page()
    await page.open(served.url("/"))
    await page.evaluate("document.getElementById('room').value = 'no/way'")
    await page.evaluate("document.getElementById('join-form').requestSubmit()")
    assert "name" in await shown(page, "name-error")
    assert "letters" in await shown(page, "room-error")
    assert await page.evaluate("document.activeElement.id") == "name"
    assert await page.evaluate("document.getElementById('room').getAttribute('aria-invalid')") == "true"


async def test_a_message_over_the_servers_limit_is_not_sent(browser: Browser, served: Stack) -> None:
    page = await join(browser, served.url("/"), "Ada")
    # Three bytes each in UTF-8: what counts is the length on the wire.
    await page.evaluate(
        """document.getElementById("text").value = "€".repeat(21846);
        document.getElementById("text").dispatchEvent(new Event("input"))"""
    )
    assert await shown(page, "size") == "Too long by 2 bytes"
    await page.evaluate("document.getElementById('composer').requestSubmit()")
    assert await page.evaluate(PENDING) == []
    assert await page.evaluate("document.getElementById('text').value.length") == 21846
    # when one character goes, it is just short enough, and it arrives
    await page.evaluate(
        """document.getElementById("text").value = "€".repeat(21845);
        document.getElementById("text").dispatchEvent(new Event("input"))"""
    )
    await page.evaluate("document.getElementById('composer').requestSubmit()")
    await page.until("document.querySelector('#log .bubble')?.textContent.length === 21845")
    assert page.faults == []


@pytest.mark.parametrize(("code", "words"), [(1008, "does not allow"), (4001, "code 4001"), (1000, "ended")])
async def test_a_final_close_code_stops_the_page_and_it_says_why(
    browser: Browser, served: Stack, code: int, words: str
) -> None:
    page = await join(browser, served.url("/"), "Ada")
    await say(page, f"/close {code}")
    await page.until("document.getElementById('state').dataset.state === 'stopped'")
    assert words in await shown(page, "trouble-text")
    assert "by request" in await shown(page, "trouble-text")
    # when the person wants to try all the same, then it does
    await page.evaluate("document.getElementById('retry').click()")
    await page.until(OPEN)


async def test_a_restarting_server_is_called_again_soon(browser: Browser, served: Stack) -> None:
    page = await join(browser, served.url("/"), "Ada")
    # It waits for up to two seconds, as chance has it, and may do so for none: so the page itself notes what it says.
    await at(page, "waiting", "() => document.getElementById('trouble-text').textContent")
    await say(page, "/close 1012")
    assert await page.evaluate(MEANWHILE) == "The server is restarting."
    await page.until(OPEN, within_ms=5_000)
    assert await shown(page, "trouble-text") == ""


async def test_a_message_in_doubt_is_sent_again_only_by_its_writer(browser: Browser, served: Stack) -> None:
    # given a message that was sent, and a connection that ended before the room's echo of it
    page = await join(browser, served.url("/"), "Ada")
    await say(page, "/lose me")
    await say(page, "/close 1012")
    await page.until(
        "document.querySelectorAll('#pending [data-state=doubtful], #pending .doubt').length >= 2"
    )
    # when the connection is back, then it has not been sent by itself
    await page.until(OPEN)
    assert await page.evaluate("document.querySelectorAll('#pending .doubt').length") == 2
    # and the writer may discard the one and send the other again
    await page.evaluate("document.querySelectorAll('#pending li')[1].querySelectorAll('button')[1].click()")
    await page.evaluate("document.querySelectorAll('#pending li')[0].querySelectorAll('button')[0].click()")
    assert await page.evaluate(PENDING) == ["/lose me"]
    assert await page.evaluate("document.querySelector('#pending li').dataset.state") == "sent"


async def test_messages_that_come_while_one_looks_elsewhere_are_counted_in_the_title(
    browser: Browser, served: Stack
) -> None:
    ada = await join(browser, served.url("/"), "Ada")
    grace = await join(browser, served.url("/"), "Grace")
    await ada.evaluate("document.hasFocus = () => false")
    for number in (1, 2, 3):
        await say(grace, f"Message {number}")
        await reads(ada, f"Message {number}")
    assert await ada.evaluate("document.title") == "(3) lobby · Trunkline chat"
    await ada.evaluate("delete document.hasFocus; dispatchEvent(new Event('focus'))")
    assert await ada.evaluate("document.title") == "lobby · Trunkline chat"


async def test_who_reads_older_messages_is_not_torn_away_from_them(browser: Browser, served: Stack) -> None:
    ada = await join(browser, served.url("/"), "Ada")
    grace = await join(browser, served.url("/"), "Grace")
    for number in range(1, 31):
        await say(ada, f"Line {number}")
    await reads(ada, "Line 30")
    await ada.evaluate(
        """new Promise((done) => {
            const scroller = document.getElementById("scroller");
            scroller.addEventListener("scroll", done, { once: true });
            scroller.scrollTop = 0;
        })"""
    )
    await say(grace, "News")
    await reads(ada, "News")
    assert await ada.evaluate("document.getElementById('scroller').scrollTop") == 0
    assert await shown(ada, "newest") == "1 new message"
    await ada.evaluate("document.getElementById('newest').click()")
    await ada.until("!document.getElementById('newest').checkVisibility()")
    assert await ada.evaluate(
        "(({ scrollTop, clientHeight, scrollHeight }) => scrollHeight - scrollTop - clientHeight < 2)"
        "(document.getElementById('scroller'))"
    )


async def test_a_message_that_cannot_be_read_is_mentioned_and_breaks_nothing(
    browser: Browser, served: Stack
) -> None:
    page = await join(browser, served.url("/"), "Ada")
    await say(page, "/garbage")
    await heard(page, "A message that could not be read was left out.")
    await say(page, "On we go")
    await reads(page, "On we go")
    assert page.faults == []


async def test_people_are_told_who_comes_and_goes(browser: Browser, served: Stack) -> None:
    ada = await join(browser, served.url("/"), "Ada")
    grace = await join(browser, served.url("/"), "Grace")
    await heard(ada, "Grace joined")
    await grace.evaluate("document.getElementById('leave').click()")
    await heard(ada, "Grace left")
    assert "Ada" not in await ada.evaluate("document.getElementById('log').innerText")


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (["joined Bo", "left Bo"], ["Bo joined", "Bo left"]),
        (["seen Bo", "joined Bo", "left Bo"], [None, None, None]),
        (["seen Bo", "left Bo", "joined Bo"], [None, "Bo left", "Bo joined"]),
        (["joined Bo", "joined Cy", "left Bo"], ["Bo joined", "Cy joined", "Bo left"]),
        (["left Bo"], ["Bo left"]),
    ],
)
async def test_who_came_back_before_the_old_connection_was_missed_has_not_left(
    browser: Browser, served: Stack, events: list[str], said: list[str | None]
) -> None:
    page = await browser.page()
    await page.open(served.url("/"))
    assert said == await page.evaluate(
        f"""import("/presence.js").then(({{ Presence }}) => {{
            const presence = new Presence();
            return {json.dumps(events)}.map((line) => {{
                const [event, name] = line.split(" ");
                return event === "seen" ? presence.seen(name) ?? null : presence.change(event, name);
            }});
        }})"""
    )


async def test_the_back_off_grows_is_spread_and_ends(browser: Browser, served: Stack) -> None:
    page = await browser.page()
    await page.open(served.url("/"))
    delays = await page.evaluate(
        """import("/connection.js").then(({ afterClose }) => [0, 1, 2, 5, 6, 50].map((attempt) =>
            [0, 0.999999].map((chance) => afterClose(1006, attempt, "", () => chance).delayMs)))"""
    )
    assert delays == [[250, 500], [500, 1000], [1000, 2000], [8000, 16000], [15000, 30000], [15000, 30000]]
    soon = await page.evaluate(
        """import("/connection.js").then(({ afterClose }) =>
            [0, 0.5, 0.999999].map((chance) => afterClose(1012, 0, "", () => chance).delayMs))"""
    )
    assert soon == [0, 1000, 2000]

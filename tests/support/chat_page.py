"""The example chat's page as the tests use it: what a person would do, and see."""

from __future__ import annotations

import json

from tests.support.chromium import Browser, Page

OPEN = "document.getElementById('state').dataset.state === 'open'"
MEANWHILE = "meanwhile"
"""What came of `at`; a promise, which `Page.evaluate` awaits."""
PENDING = "[...document.querySelectorAll('#pending .bubble')].map((bubble) => bubble.textContent)"


async def join(browser: Browser, url: str, name: str, room: str = "lobby") -> Page:
    """Opens a window, fills the form in by keyboard and waits until the page is connected."""
    page = await browser.page()
    await page.open(url)
    await page.until("document.activeElement.id === 'name'")
    await page.type(name)
    await page.press("Tab", 9)
    await page.evaluate("document.activeElement.select()")
    await page.type(room)
    await page.enter()
    await page.until(OPEN)
    return page


async def say(page: Page, text: str) -> None:
    """Writes a message and presses Enter."""
    await page.evaluate("document.getElementById('text').focus()")
    await page.type(text)
    await page.enter()


async def at(page: Page, state: str, script: str) -> None:
    """Has the page run a function when its connection comes into a state, which may be over before a test could look.
    See `MEANWHILE`."""
    await page.evaluate(
        f"""window.meanwhile = new Promise((done) => {{
            const shown = document.getElementById("state");
            new MutationObserver((_, observer) => {{
                if (shown.dataset.state !== {json.dumps(state)}) return;
                observer.disconnect();
                done(({script})());
            }}).observe(shown, {{ attributes: true }});
        }}); 0"""
    )


async def reads(page: Page, text: str, count: int = 1) -> None:
    """Waits until a message with this text stands in the conversation, and no more than ``count`` times."""
    await page.until(f"{_bubbles(text)}.length >= {count}")
    assert await page.evaluate(f"{_bubbles(text)}.length") == count


async def conversation(page: Page) -> list[str]:
    """The texts of all messages in view, in their order."""
    found: list[str] = await page.evaluate(
        "[...document.querySelectorAll('#log .bubble')].map((bubble) => bubble.textContent)"
    )
    return found


def _bubbles(text: str) -> str:
    return (
        "[...document.querySelectorAll('#log .bubble')]"
        f".filter((bubble) => bubble.textContent === {json.dumps(text)})"
    )

"""What the tutorial has its reader paste into the browser's console does what the text says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from tests.support.chromium import Browser
from tests.support.stack import stack
from tests.support.tutorial import DOCUMENT, importable, read_steps

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

STEPS = read_steps(DOCUMENT.read_text())
WITHIN_S = 20.0

Console = Callable[[int, int], AbstractAsyncContextManager[list[str]]]


@pytest.fixture
def console(browser: Browser, tmp_path: Path) -> Console:
    """Runs a step's code, pastes its snippet and waits for so many lines in the console."""

    @asynccontextmanager
    async def console(number: int, lines: int) -> AsyncIterator[list[str]]:
        STEPS[number].write(tmp_path)
        with importable(tmp_path):
            async with stack("chat.routing", workers=2) as running:
                page = await browser.page()
                await page.open(running.url("/"))
                (snippet,) = STEPS[number].snippets
                await page.evaluate(f"{{ {snippet} }}; 0")
                async with asyncio.timeout(WITHIN_S):
                    await page.logged(lines)
                assert page.faults == []
                yield page.lines

    return console


async def test_step_1_answers(console: Console) -> None:
    async with console(1, 1) as lines:
        assert lines == ["Is this thing on?"]


async def test_step_2_prints_six_lines(console: Console) -> None:
    async with console(2, 6) as lines:
        assert Counter(line.partition(": ")[2] for line in lines) == {
            "first speaks": 1,
            "second speaks": 2,
            "third speaks": 3,
        }


async def test_step_3_keeps_the_rooms_apart(console: Console) -> None:
    # A guest who speaks before the other has come is heard by one; so there are six to eight lines.
    async with console(3, 6) as lines:
        for line in lines:
            room = line.split()[0]
            assert line.endswith(f"likes {room}")


async def test_step_4_says_who_says_what(console: Console) -> None:
    async with console(4, 3) as lines:
        assert set(lines) <= {
            f"{reader} reads: {writer} says good morning"
            for reader in ("ada", "grace")
            for writer in ("ada", "grace")
        }


async def test_step_6_gives_two_workers_something_to_do(console: Console) -> None:
    # Each of the six has heard at least the twenty lines of its own.
    async with console(6, 6 * 20) as lines:
        assert all(line.startswith(("tea: ", "coffee: ", "water: ")) for line in lines)

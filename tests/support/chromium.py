"""A headless Chromium driven over the DevTools protocol (https://chromedevtools.github.io/devtools-protocol/).

Only what the browser tests need, over aiohttp's WebSocket client, so that no further dependency is wanted.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

START_S = 30.0
CLOSE_S = 10.0
WAIT_MS = 20_000

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


def find_chromium() -> str | None:
    """Path of an installed Chromium, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class PageError(AssertionError):
    """JavaScript given to `Page.evaluate` threw, or a condition did not come true in time."""


class Page:
    """One window with storage and cookies of its own.

    Attributes:
        faults: what the page's own code did wrong: uncaught exceptions, ``console.error``, broken CSP rules.
        network: errors that Chromium itself logs about requests, such as a WebSocket that could not connect.
        lines: what was written with ``console.log``.
    """

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self.session = session
        self.faults: list[str] = []
        self.network: list[str] = []
        self.lines: list[str] = []
        self._line_came = asyncio.Event()
        self._loaded = asyncio.Event()

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Calls a DevTools method in this page."""
        return await self._browser.call(method, params, self.session)

    async def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression; a promise is awaited.

        Raises:
            PageError: it threw.
        """
        answer = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise PageError(
                f"{expression}: {details.get('exception', {}).get('description', details['text'])}"
            )
        return answer["result"].get("value")

    async def until(self, condition: str, within_ms: int = WAIT_MS) -> Any:
        """Waits in the page until a JavaScript expression is true.

        Raises:
            PageError: it stayed false for ``within_ms``; the text shows what the page says by then.
        """
        value = await self.evaluate(
            f"""new Promise((done) => {{
                const end = Date.now() + {within_ms};
                const look = () => {{
                    const value = ({condition});
                    if (value || Date.now() > end) done(value); else setTimeout(look, 25);
                }};
                look();
            }})"""
        )
        if not value:
            text = await self.evaluate("document.body.innerText")
            raise PageError(f"not true within {within_ms} ms: {condition}\nthe page says:\n{text}")
        return value

    async def logged(self, count: int) -> list[str]:
        """Waits until ``count`` lines have been written with ``console.log``, and returns all there are."""
        while len(self.lines) < count:
            self._line_came.clear()
            await self._line_came.wait()
        return self.lines

    async def open(self, url: str) -> None:
        """Goes to an address and waits until its scripts have run."""
        self._loaded.clear()
        answer = await self.call("Page.navigate", url=url)
        if answer.get("errorText"):
            raise PageError(f"{url}: {answer['errorText']}")
        await self._loaded.wait()

    async def type(self, text: str) -> None:
        """Types into the element that has the focus."""
        await self.call("Input.insertText", text=text)

    async def press(self, key: str, code: int, text: str = "") -> None:
        """Presses and lets go a key, as a keyboard would."""
        common = {"key": key, "code": key, "windowsVirtualKeyCode": code, "nativeVirtualKeyCode": code}
        await self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    async def enter(self) -> None:
        """Presses Enter."""
        await self.press("Enter", 13, "\r")

    async def size(self, width: int, height: int, *, phone: bool = False) -> None:
        """Sets the window's size in CSS pixels; ``phone`` adds touch and twice the pixels."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )

    async def scheme(self, scheme: str) -> None:
        """Prefers ``light`` or ``dark``."""
        await self.call(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
        )

    async def screenshot(self) -> bytes:
        """A PNG of what is in view."""
        answer = await self.call("Page.captureScreenshot", format="png")
        return base64.b64decode(answer["data"])

    def notice(self, method: str, params: dict[str, Any]) -> None:
        """Takes an event of this page."""
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.faults.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled":
            text = " ".join(str(arg.get("value", "")) for arg in params["args"])
            if params["type"] in ("error", "assert"):
                self.faults.append(text)
            elif params["type"] == "log":
                self.lines.append(text)
                self._line_came.set()
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            entry = params["entry"]
            (self.network if entry["source"] == "network" else self.faults).append(entry["text"])
        elif method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Page.javascriptDialogOpening" and params["type"] != "beforeunload":
            self.faults.append(f"dialog: {params['message']}")


class Browser:
    """A running Chromium."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}
        self._reader = asyncio.create_task(self._read())

    async def call(self, method: str, params: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        """Calls a DevTools method.

        Raises:
            PageError: Chromium refused it.
            ConnectionError: Chromium has gone.
        """
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        request: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session is not None:
            request["sessionId"] = session
        await self._socket.send_json(request)
        result: dict[str, Any] = await answer
        return result

    async def page(self) -> Page:
        """Opens a window of its own, sharing neither storage nor sockets with the others."""
        context = await self.call("Target.createBrowserContext", {})
        target = await self.call(
            "Target.createTarget",
            {"url": "about:blank", "browserContextId": context["browserContextId"], "newWindow": True},
        )
        attached = await self.call("Target.attachToTarget", {"targetId": target["targetId"], "flatten": True})
        page = self._pages[attached["sessionId"]] = Page(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Log"):
            await page.call(f"{domain}.enable")
        await page.call("Emulation.setFocusEmulationEnabled", enabled=True)
        return page

    async def _read(self) -> None:
        try:
            async for frame in self._socket:
                self._dispatch(json.loads(frame.data))
        finally:
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(ConnectionError("Chromium has gone"))

    def _dispatch(self, message: dict[str, Any]) -> None:
        if "id" in message:
            answer = self._answers.pop(message["id"])
            if answer.done():
                return
            if "error" in message:
                answer.set_exception(PageError(message["error"]["message"]))
            else:
                answer.set_result(message["result"])
        elif message.get("sessionId") in self._pages:
            self._pages[message["sessionId"]].notice(message["method"], message["params"])

    async def close(self) -> None:
        """Asks Chromium to end and stops reading."""
        await self._socket.send_json({"id": 0, "method": "Browser.close"})
        self._answers[0] = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._reader], timeout=CLOSE_S)
        self._reader.cancel()


@asynccontextmanager
async def chromium(executable: str, profile: Path) -> AsyncIterator[Browser]:
    """Starts Chromium with a fresh profile directory and ends it on the way out."""
    process = await asyncio.create_subprocess_exec(
        executable,
        *_FLAGS,
        f"--user-data-dir={profile}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "HOME": str(profile)},
    )
    assert process.stderr is not None
    drain: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(START_S):
            address = await _address(process.stderr)
        # Chromium logs on; a full pipe would stop it.
        drain = asyncio.create_task(process.stderr.read())
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(address, max_msg_size=64 * 1024 * 1024) as socket,
        ):
            browser = Browser(socket)
            try:
                yield browser
            finally:
                await browser.close()
    finally:
        if process.returncode is None:
            try:
                await asyncio.wait_for(process.wait(), CLOSE_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        if drain is not None:
            await drain


async def _address(stderr: asyncio.StreamReader) -> str:
    async for line in stderr:
        _, found, address = line.decode(errors="replace").partition("DevTools listening on ")
        if found:
            return address.strip()
    raise ConnectionError("Chromium ended before it was listening")

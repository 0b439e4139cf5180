"""Many connections that send numbered messages, and the history of what they heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType

import aiohttp

from tests.support.history import History, check
from tests.support.waiting import until

WINDOW = 4
"""Messages of a connection that may be without a reply by default: so frames gather behind the entry in flight."""
_OPEN_AT_ONCE = 50
_OPENS_WITHIN_S = 60.0
"""A handshake that nobody answers must fail with its name, before its test's own timeout ends without one."""


def echoed(number: int) -> str:
    """The reply of ``/echo/`` to a message."""
    return f"{number}"


def counted(number: int) -> str:
    """The reply of ``/count/``: how many messages the connection's session has counted, this one with them."""
    return f"{number} {number + 1}"


class Talker:
    """One connection.

    Attributes:
        name: of the connection.
        sent: how many messages it has sent.
        heard: replies, in order.
        announced: group messages (those that begin with ``!``), in order.
        code: close code, None while it is open.
    """

    def __init__(self, name: str, socket: aiohttp.ClientWebSocketResponse, load: Load) -> None:
        self.name = name
        self.sent = 0
        self.heard: list[str] = []
        self.announced: list[str] = []
        self.code: int | None = None
        self._socket = socket
        self._load = load
        self._sent_s: list[float] = []
        self._window = asyncio.Semaphore(load.window)
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]

    async def _read(self) -> None:
        clock = asyncio.get_running_loop().time
        async for frame in self._socket:
            text = str(frame.data)
            if text.startswith("!"):
                self.announced.append(text)
                continue
            now_s = clock()
            if len(self.heard) < len(self._sent_s):
                self._load.replied(now_s, now_s - self._sent_s[len(self.heard)])
            self.heard.append(text)
            self._window.release()
        self.code = self._socket.close_code
        self._tasks[1].cancel()

    async def _write(self) -> None:
        clock = asyncio.get_running_loop().time
        while not self._load.stopped and self.sent < self._load.count:
            await self._window.acquire()
            self._sent_s.append(clock())
            self.sent += 1
            try:
                await self._socket.send_str(str(self.sent - 1))
            except ConnectionError:
                return
            if self._load.pace_s:
                await asyncio.sleep(self._load.pace_s)

    @property
    def waits(self) -> bool:
        """It is open and something is to be sent or heard yet."""
        return self.code is None and (not self._tasks[1].done() or len(self.heard) < self.sent)

    def history(self, expected: Callable[[int], str]) -> History:
        """What it should have heard and has."""
        return History([expected(number) for number in range(self.sent)], self.heard, self.code is not None)

    async def gone(self) -> None:
        """Waits until the server has closed it."""
        await asyncio.wait(self._tasks[:1])

    async def close(self) -> None:
        """Closes it."""
        self._tasks[1].cancel()
        await self._socket.close()
        await asyncio.wait(self._tasks)


class Load:
    """Many connections, each sending ``count`` messages, or as many as it can until `stop`.

    Args:
        addresses: of interface servers; connections take turns at them.
        connections: how many.
        count: messages of each connection.
        pace_s: seconds a connection waits behind each message; 0 sends as fast as replies come.
        path: of the handshakes, in front of the name.
        window: messages of a connection that may be without a reply.

    Attributes:
        talkers: the connections.
        replies: how many there have been.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        connections: int,
        count: int = 10**9,
        *,
        pace_s: float = 0.0,
        path: str = "/count/",
        window: int = WINDOW,
    ) -> None:
        self.count = count
        self.pace_s = pace_s
        self.window = window
        self.stopped = False
        self.talkers: list[Talker] = []
        self.replies = 0
        self._addresses = addresses
        self._connections = connections
        self._path = path
        self._expected = counted if path == "/count/" else echoed
        self._seconds: list[tuple[float, float]] = []  # when a reply came, and how long it took
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Load:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=_OPENS_WITHIN_S)
        )
        try:
            for start in range(0, self._connections, _OPEN_AT_ONCE):
                numbers = range(start, min(start + _OPEN_AT_ONCE, self._connections))
                await asyncio.gather(*(self._open(number) for number in numbers))
        except BaseException:
            await self._end()
            raise
        return self

    async def _open(self, number: int) -> None:
        address = self._addresses[number % len(self._addresses)]
        name = f"c{number}"
        path = self._path + name if self._path.endswith("/") else self._path
        self.talkers.append(Talker(name, await self._session.ws_connect(address + path), self))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def _end(self) -> None:
        self.stopped = True
        await asyncio.gather(*(talker.close() for talker in self.talkers))
        await self._session.close()

    def replied(self, now_s: float, seconds: float) -> None:
        """A reply has come."""
        self.replies += 1
        self._seconds.append((now_s, seconds))

    async def goes_on(self, replies: int, within_s: float = 20.0) -> None:
        """Waits until so many more replies have come."""
        goal = self.replies + replies
        await until(lambda: self.replies >= goal, within_s, f"{goal} replies")

    async def finish(self, within_s: float = 30.0) -> None:
        """Sends no more, unless each connection's ``count`` is not reached, and waits for every reply."""
        if self.count == 10**9:
            self.stopped = True
        try:
            await until(
                lambda: not any(talker.waits for talker in self.talkers), within_s, "every reply has come"
            )
        except AssertionError as late:
            waiting = [talker for talker in self.talkers if talker.waits]
            shown = ", ".join(
                f"{talker.name} has {len(talker.heard)} of {talker.sent}" for talker in waiting[:10]
            )
            raise AssertionError(f"{late}; {len(waiting)} connections wait: {shown}") from None

    def check(self) -> None:
        """Asserts that nothing was lost, doubled or reordered."""
        check({talker.name: talker.history(self._expected) for talker in self.talkers})

    def closed(self) -> dict[str, int]:
        """Connections that the server has closed, with their codes."""
        return {talker.name: talker.code for talker in self.talkers if talker.code is not None}

    def seconds(self, since_s: float = 0.0, until_s: float = float("inf")) -> list[float]:
        """How long the replies took that came between two moments of the loop's clock, sorted."""
        return sorted(seconds for at_s, seconds in self._seconds if since_s <= at_s <= until_s)

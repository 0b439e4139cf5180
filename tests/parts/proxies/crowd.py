"""Clients that come and go while an interface server is taken away, and all that they were told."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from types import TracebackType

import aiohttp

from tests.support.history import History, check
from tests.support.waiting import until

PAUSE_S = 0.01
"""Between two messages of a client: they shall come and go, not measure the machine."""


class Visit:
    """One connection.

    Attributes:
        sent: how many messages were sent.
        heard: the replies.
        code: close code; None while it is open, or if the client closed it.
    """

    def __init__(self) -> None:
        self.sent = 0
        self.heard: list[str] = []
        self.code: int | None = None


class Crowd:
    """Clients that echo numbered messages and come back at once when they are closed, clients that only look in, and
    plain requests on kept connections.

    Args:
        url: of the proxy.
        stayers: how many of the first kind.
        guests: how many of the others, each.

    Attributes:
        visits: all connections that ever were.
        failures: what was not as it should be, such as ``handshake 502``, with how often.
        answers: plain requests that were answered with 200.
        handshakes: that succeeded.
    """

    def __init__(self, url: str, stayers: int, guests: int) -> None:
        self.visits: list[Visit] = []
        self.failures: Counter[str] = Counter()
        self.answers = 0
        self.handshakes = 0
        self.stopped = False
        self._url = url
        self._numbers = stayers, guests
        self._tasks: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Crowd:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        stayers, guests = self._numbers
        kinds = [self._stay] * stayers + [self._look_in] * guests + [self._ask] * guests
        self._tasks = [asyncio.create_task(kind(f"c{number}")) for number, kind in enumerate(kinds)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped = True
        if kind is not None:
            for task in self._tasks:
                task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()
        for result in ended:
            if kind is None and isinstance(result, BaseException):
                raise result

    async def goes_on(self, within_s: float = 40.0) -> None:
        """Waits until every kind of client has got somewhere since now."""
        goals = self.answers + 20, self.handshakes + 20
        await until(
            lambda: self.answers >= goals[0] and self.handshakes >= goals[1],
            within_s,
            f"clients get on: {self.answers} {self.handshakes} {goals} {self.failures}",
        )

    def check(self) -> None:
        """Asserts that no connection lost, doubled or reordered anything."""
        check(
            {
                f"visit {number}": History(
                    [f"{n}" for n in range(visit.sent)], visit.heard, visit.code is not None
                )
                for number, visit in enumerate(self.visits)
            }
        )

    def codes(self) -> Counter[int]:
        """Close codes of what was not closed by the clients."""
        return Counter(visit.code for visit in self.visits if visit.code is not None)

    async def _stay(self, name: str) -> None:
        while not self.stopped:
            await self._visit(name, 10**9)

    async def _look_in(self, name: str) -> None:
        while not self.stopped:
            await self._visit(name, 1)

    async def _visit(self, name: str, messages: int) -> None:
        try:
            socket = await self._session.ws_connect(f"{self._url}/echo/{name}")
        except aiohttp.WSServerHandshakeError as error:
            self.failures[f"handshake {error.status}"] += 1
            await asyncio.sleep(PAUSE_S)
            return
        except aiohttp.ClientError as error:
            self.failures[f"handshake {error!r}"] += 1
            await asyncio.sleep(PAUSE_S)
            return
        self.handshakes += 1
        visit = Visit()
        self.visits.append(visit)
        while visit.sent < messages and not self.stopped:
            with contextlib.suppress(
                ConnectionError
            ):  # Closed just now; what came before is still to be read.
                await socket.send_str(f"{visit.sent}")
            visit.sent += 1
            frame = await socket.receive()
            if frame.type is not aiohttp.WSMsgType.TEXT:
                visit.code = socket.close_code or 1006
                break
            visit.heard.append(frame.data)
            await asyncio.sleep(PAUSE_S)
        await socket.close()

    async def _ask(self, name: str) -> None:
        while not self.stopped:
            try:
                async with self._session.post(f"{self._url}/show/{name}", data=b"x") as answer:
                    await answer.read()
                    if answer.status == 200:
                        self.answers += 1
                    else:
                        self.failures[f"request {answer.status}"] += 1
            except aiohttp.ClientError as error:
                self.failures[f"request {error!r}"] += 1
            await asyncio.sleep(PAUSE_S)

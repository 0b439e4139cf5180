"""The load of a case: connections in rooms on both interface servers, whose every frame has effects of each kind."""

from __future__ import annotations

import asyncio
import itertools
from bisect import bisect_left
from collections.abc import Sequence
from types import TracebackType

import aiohttp

from tests.faults.ledger import Record, Witnessed
from tests.faults.waits import ONE_REDIS, Waits
from tests.support.waiting import until

CONNECTIONS = 40
ROOM_SIZE = 4
WINDOW = 4
"""Frames of a connection that may be without a reply: so frames gather behind the entry in flight."""
PACE_S = 0.05
"""Between two frames of a connection: the clients, the proxies and the servers share two cores."""
TARGET_EVENTS = 3500
"""Frames that a case sends at least."""
LET_IN_WITHIN_S = 15.0
"""How long a connection that is told to come back does."""

_runs = itertools.count(1)


class Talker:
    """One connection.

    Attributes:
        record: of what it sent and heard.
        interface: index of its interface server.
    """

    def __init__(self, record: Record, interface: int, load: Load) -> None:
        self.record = record
        self.interface = interface
        self._load = load
        self._sent_s: list[float] = []
        self._window = asyncio.Semaphore(WINDOW)
        self._socket: aiohttp.ClientWebSocketResponse
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False

    async def open(self, session: aiohttp.ClientSession, url: str) -> None:
        """Opens it; with that its join is committed."""
        self._socket = await _let_in(session, url)
        self._tasks = [asyncio.create_task(self._read())]

    def begin(self) -> None:
        """Begins to send."""
        self._tasks.append(asyncio.create_task(self._write()))

    async def _read(self) -> None:
        async for frame in self._socket:
            self._hear(str(frame.data))
        self.record.code = self._socket.close_code
        if not self._closing:
            self.record.cut = True
            for task in self._tasks[1:]:
                task.cancel()

    def _hear(self, text: str) -> None:
        record = self.record
        if text[0] in "!?":
            sender, number = text[1:].split()
            heard = record.groups if text[0] == "!" else record.early
            heard.setdefault(sender, []).append(int(number))
            return
        words = text.split()
        if len(record.replies) < len(self._sent_s):
            self._load.replied(self, self._sent_s[len(record.replies)])
        record.replies.append((int(words[0]), int(words[1])))
        self._window.release()

    async def _write(self) -> None:
        load, record = self._load, self.record
        clock = asyncio.get_running_loop().time
        while not load.stopped:
            await self._window.acquire()
            self._sent_s.append(clock())
            record.sent += 1
            load.sent += 1
            try:
                await self._socket.send_str(str(record.sent - 1))
            except (ConnectionError, aiohttp.ClientError):
                return
            if load.pace_s:
                await asyncio.sleep(load.pace_s)

    def sent_between(self, number: int, from_s: float, to_s: float) -> bool:
        """Whether a frame was sent between two moments of the loop's clock."""
        return from_s <= self._sent_s[number] <= to_s

    def sent_before(self, at_s: float) -> int:
        """How many frames were sent before a moment of the loop's clock."""
        return bisect_left(self._sent_s, at_s)

    @property
    def waits(self) -> bool:
        """It is open, and something is to be sent or replied to yet."""
        record = self.record
        writing = any(not task.done() for task in self._tasks[1:])
        return not record.cut and (writing or len(record.replies) < record.sent)

    async def gone(self) -> None:
        """Waits until the server has closed it."""
        await asyncio.wait(self._tasks[:1])

    async def close(self) -> None:
        """Closes it from this side."""
        self._closing = True
        for task in self._tasks[1:]:
            task.cancel()
        await self._socket.close()
        await asyncio.wait(self._tasks)


class Load:
    """Connections, and a witness on the second interface server.

    Args:
        addresses: of interface servers. Connections take turns at them, so that every room is on all.
        path: first part of the handshakes' path, see `app`.
        connections: how many.
        pace_s: seconds between two frames of a connection.
        waits: how long to wait for what has to come.

    Attributes:
        talkers: the connections.
        witnessed: by the witness.
        sent: frames so far.
        replies: to them.
        pace_s: may be changed.
        waits: as given.
        stopped: no more is sent.
        gone_s: when the witness heard of each disconnect, by the loop's clock.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        path: str = "talk",
        connections: int = CONNECTIONS,
        pace_s: float = PACE_S,
        waits: Waits = ONE_REDIS,
    ) -> None:
        self.talkers: list[Talker] = []
        self.witnessed = Witnessed()
        self.sent = self.replies = 0
        self.pace_s = pace_s
        self.waits = waits
        self.stopped = False
        self._addresses = addresses
        self._path = path
        self.gone_s: list[float] = []
        self._replied: list[
            tuple[float, float, Talker]
        ] = []  # when a reply came, its frame had been sent, and whose
        run = next(_runs)
        for number in range(connections):
            room = f"r{run}-{number // ROOM_SIZE}"
            record = Record(f"n{run}-{number}", room, path == "early")
            self.talkers.append(Talker(record, number % len(addresses), self))
        self._session: aiohttp.ClientSession
        self._witness: aiohttp.ClientWebSocketResponse
        self._witnessing: asyncio.Task[None]

    async def __aenter__(self) -> Load:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        try:
            self._witness = await _let_in(self._session, f"{self._addresses[-1]}/witness")
            self._witnessing = asyncio.create_task(self._listen())
            await asyncio.gather(*(self._open(talker) for talker in self.talkers))
        except BaseException:
            await self._session.close()
            raise
        # Not before: what is sent to a group is owed to those whose join was committed.
        for talker in self.talkers:
            talker.begin()
        return self

    async def _open(self, talker: Talker) -> None:
        address = self._addresses[talker.interface]
        url = f"{address}/{self._path}/{talker.record.room}/{talker.record.name}"
        await talker.open(self._session, url)

    async def _listen(self) -> None:
        async for frame in self._witness:
            text = str(frame.data)
            self.witnessed.hear(text)
            if text.startswith("gone"):
                self.gone_s.append(asyncio.get_running_loop().time())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped = True
        await self.hang_up()
        await self._witness.close()
        await asyncio.wait([self._witnessing])
        await self._session.close()

    # ---- its course ----

    def replied(self, talker: Talker, sent_s: float) -> None:
        """A reply has come."""
        self.replies += 1
        self._replied.append((asyncio.get_running_loop().time(), sent_s, talker))

    async def goes_on(self, replies: int) -> None:
        """Waits until so many more replies have come."""
        goal = self.replies + replies
        await until(lambda: self.replies >= goal, self.waits.replies_s, f"{goal} replies")

    async def everybody_goes_on(self, within_s: float | None = None) -> None:
        """Waits until every connection that is open has a reply to a frame which it sends from now on."""
        goals = [(talker, talker.record.sent + 1) for talker in self.talkers]
        await until(
            lambda: all(
                talker.record.cut or len(talker.record.replies) >= goal for talker, goal in goals
            ),
            self.waits.replies_s if within_s is None else within_s,
            "every connection goes on",
        )  # fmt: skip

    async def finish(self) -> None:
        """Sends the rest of the frames, faster, and waits for every reply."""
        self.pace_s = 0.0
        await until(
            lambda: self.sent >= TARGET_EVENTS or all(talker.record.cut for talker in self.talkers),
            self.waits.end_s,
            f"{TARGET_EVENTS} frames are sent",
        )
        self.stopped = True
        try:
            await until(
                lambda: not any(talker.waits for talker in self.talkers), self.waits.end_s, "every reply"
            )
        except AssertionError as late:
            waiting = [talker.record for talker in self.talkers if talker.waits]
            shown = ", ".join(f"{one.name} has {len(one.replies)} of {one.sent}" for one in waiting[:10])
            raise AssertionError(f"{late}; {len(waiting)} connections wait: {shown}") from None

    async def stuck(self, talkers: Sequence[Talker] | None = None) -> None:
        """Waits until every connection, or each of some, has sent what it may without a reply, and nothing comes."""
        await until(
            lambda: all(
                talker.record.cut or talker.record.sent - len(talker.record.replies) >= WINDOW
                for talker in (self.talkers if talkers is None else talkers)
            ),
            self.waits.stuck_s,
            "every connection waits for replies",
        )

    async def hang_up(self) -> None:
        """Closes every connection that is open."""
        await asyncio.gather(*(talker.close() for talker in self.talkers))

    async def all_gone(self, talkers: Sequence[Talker], within_s: float | None = None) -> None:
        """Waits until the witness has heard of the disconnect of each of these.

        Raises:
            AssertionError: they do not come in time, or it cannot hear of them any more: its connection was closed.
        """

        def heard() -> bool:
            missing = self.missing(talkers)
            cut_off = missing and self._witnessing.done()
            assert not cut_off, f"the witness was cut off before it heard of {missing} disconnects"
            return not missing

        within_s = self.waits.gone_s if within_s is None else within_s
        await until(heard, within_s, f"{len(talkers)} disconnects are handled")

    def missing(self, talkers: Sequence[Talker]) -> int:
        """Of how many of these the witness has not heard the disconnect."""
        return len({talker.record.name for talker in talkers} - {gone.name for gone in self.witnessed.gone})

    def sent_before(self, at_s: float) -> int:
        """How many frames were sent before a moment of the loop's clock."""
        return sum(talker.sent_before(at_s) for talker in self.talkers)

    def waits_s(self, from_s: float) -> list[float]:
        """How long the replies took that came since a moment of the loop's clock."""
        return [at_s - sent_s for at_s, sent_s, _ in self._replied if at_s >= from_s]

    def slowest_s(self, until_s: float) -> float:
        """The longest wait for a reply that came until a moment of the loop's clock."""
        return max((at_s - sent_s for at_s, sent_s, _ in self._replied if at_s <= until_s), default=0.0)

    def recovery_s(self, from_s: float, sent_until_s: float = float("inf")) -> float:
        """The longest that anybody waited for a reply from a moment of the loop's clock on; the time before it does
        not count, nor do those that were cut, nor what was sent behind another moment."""
        return max(
            (
                at_s - max(sent_s, from_s)
                for at_s, sent_s, talker in self._replied
                if at_s >= from_s and sent_s <= sent_until_s and not talker.record.cut
            ),
            default=0.0,
        )


async def _let_in(session: aiohttp.ClientSession, url: str) -> aiohttp.ClientWebSocketResponse:
    """Opens a WebSocket, and comes back when it is told to, as clients should: a busy machine may hold Redis up for a
    second before anything is struck, and a handshake that is refused has left no trace."""
    deadline_s = asyncio.get_running_loop().time() + LET_IN_WITHIN_S
    while True:
        try:
            return await session.ws_connect(url)
        except aiohttp.WSServerHandshakeError as refused:
            after_s = float(refused.headers["Retry-After"]) if refused.headers else 0.0
            if refused.status != 503 or asyncio.get_running_loop().time() + after_s > deadline_s:
                raise
            await asyncio.sleep(after_s)  # Not a wait for something: this is what the server asks for.

"""The clients of a soak: each connects somewhere, talks, changes rooms, goes in one way or other, and comes again."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable, Sequence

import aiohttp

from tests.faults.soak.books import Books
from tests.faults.soak.page import End

ROOMS = 60
"""The first are full and the last mostly empty, so that groups come and go as well."""
WINDOW = 4
"""Frames of a connection that may be without a reply."""
PACE_S = (0.05, 0.4)
"""Between two frames of a connection."""
FRAMES = (3, 250)
"""In a connection's life."""
AGAIN_S = (0.1, 1.0)
"""Between two connections of a client."""
HANDSHAKE_S = 30.0
IMPATIENT_SHARE = 0.15
"""Of the clients that give a handshake up."""
IMPATIENT_S = (0.0, 0.03)
"""After so long, which is about as long as a handshake takes."""
LAST_REPLY_S = 90.0
"""How long a client that wants all its replies waits for them."""
UNAVAILABLE = 503
GOOD_CODES = frozenset({1006, 1012})
"""With which the server may end a connection here: it died, or it restarts."""
_VERBS = {"echo": 40, "say": 15, "join": 10, "leave": 10, "visit": 10, "tally": 15, "later": 10}
_WAYS = {"answered": 4, "at once": 3, "reset": 3}
_CLOSING = aiohttp.ClientWSTimeout(ws_close=HANDSHAKE_S)
# SO_LINGER on, with 0 seconds: the close is an RST and no FIN (socket(7)).
_RESET = struct.pack("ii", 1, 0)


def _any_room(rng: random.Random) -> str:
    return f"room{int(ROOMS * rng.random() ** 2)}"


class Crowd:
    """All clients.

    Args:
        books: of the soak.
        seed: of the soak.
        addresses: gives those of the interface servers that may be connected to.
        size: how many clients.

    Attributes:
        refused: handshakes without success, by status or error.
        codes: close codes of connections that the server ended.
        waits_s: how long each reply took; emptied by whoever looks at it.
        stopping: no frame is sent and no connection opened any more.
    """

    def __init__(self, books: Books, seed: int, addresses: Callable[[], Sequence[str]], size: int) -> None:
        self.refused: Counter[str] = Counter()
        self.codes: Counter[int] = Counter()
        self.waits_s: list[float] = []
        self.stopping = asyncio.Event()
        self.books = books
        self._seed = seed
        self._addresses = addresses
        self._size = size
        self._session: aiohttp.ClientSession

    async def run(self) -> None:
        """Lets all clients come and go until `stopping` is set; then they hear their replies and close."""
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as self._session:
            await asyncio.gather(*(self._client(number) for number in range(self._size)))

    async def _client(self, number: int) -> None:
        rng = random.Random(f"{self._seed}/{number}")
        life = 0
        while not await self.pause(rng.uniform(*AGAIN_S)):
            addresses = self._addresses()
            if not addresses:
                continue
            life += 1
            name, room = f"c{number}-{life}", _any_room(rng)
            patience_s = rng.uniform(*IMPATIENT_S) if rng.random() < IMPATIENT_SHARE else HANDSHAKE_S
            connected = await self._open(f"{rng.choice(addresses)}/{room}?{name}", name, patience_s)
            if connected is not None:
                await Talker(self, name, room, rng, connected).run()

    async def _open(self, url: str, name: str, patience_s: float) -> aiohttp.ClientWebSocketResponse | None:
        self.books.opening(name, self.now_s())
        why = ""
        try:
            async with asyncio.timeout(patience_s):
                connected = await self._session.ws_connect(url, timeout=_CLOSING)
        except aiohttp.WSServerHandshakeError as error:
            why = str(error.status)
            if error.status != UNAVAILABLE:
                self.books.fault("handshake", f"{name} was refused with {error.status}")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            why = type(error).__name__
        else:
            self.books.opened(name, self.now_s())
            return connected
        self.refused[why] += 1
        self.books.ended(name, End.REFUSED, self.now_s())
        return None

    async def pause(self, seconds: float) -> bool:
        """Waits, and tells whether the clients are to stop."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)
        return self.stopping.is_set()

    def now_s(self) -> float:
        """Seconds of the loop's clock."""
        return asyncio.get_running_loop().time()


class Talker:
    """One connection from its opening to its end."""

    def __init__(
        self,
        crowd: Crowd,
        name: str,
        room: str,
        rng: random.Random,
        connected: aiohttp.ClientWebSocketResponse,
    ) -> None:
        self._crowd = crowd
        self._books = crowd.books
        self._name = name
        self._rooms = [room]
        self._rng = rng
        self._socket = connected
        self._sent_s: dict[int, float] = {}
        self._replies = 0
        self._window = asyncio.Semaphore(WINDOW)
        self._all_heard = asyncio.Event()
        self._all_heard.set()
        self._closing = False

    async def run(self) -> None:
        """Talks, goes, and tells the books how it ended."""
        reading = asyncio.create_task(self._read())
        writing = asyncio.create_task(self._write())
        await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
        if reading.done() and not self._closing:
            writing.cancel()
        await asyncio.wait((writing,))
        if not writing.cancelled():
            writing.result()
        await reading
        code = self._socket.close_code or 1006
        if not self._closing:
            self._crowd.codes[code] += 1
            if code not in GOOD_CODES:
                self._books.fault("closed", f"{self._name} was closed with {code}")
        end = End.CLOSED if self._closing and code == 1000 else End.CUT
        self._books.ended(self._name, end, self._crowd.now_s())

    # ---- what it does ----

    async def _write(self) -> None:
        rng = self._rng
        for _ in range(rng.randint(*FRAMES)):
            await self._window.acquire()
            if self._socket.closed or await self._crowd.pause(rng.uniform(*PACE_S)):
                break
            await self._send()
        if self._crowd.stopping.is_set():
            await self._go("answered")
        elif not self._socket.closed:
            await self._go(rng.choices(list(_WAYS), list(_WAYS.values()))[0])

    async def _send(self) -> None:
        verb = self._rng.choices(list(_VERBS), list(_VERBS.values()))[0]
        room = self._rng.choice(self._rooms)
        if verb == "join":
            room = _any_room(self._rng)
            self._rooms.append(room)
        elif verb == "visit":
            room = _any_room(self._rng)
        elif verb == "leave" and len(self._rooms) > 1:
            self._rooms.remove(room)
        now_s = self._crowd.now_s()
        number = self._books.sent(self._name, now_s)
        self._sent_s[number] = now_s
        self._all_heard.clear()
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            await self._socket.send_str(f"{number} {verb} {room}")

    async def _go(self, way: str) -> None:
        if way == "reset":
            # asyncio sees the end of the stream and closes the socket, which then says so with an RST.
            raw = self._socket.get_extra_info("socket")
            if raw is not None:
                with contextlib.suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    self._closing = True
                    raw.shutdown(socket.SHUT_RD)
            return
        if way == "answered":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_heard.wait(), LAST_REPLY_S)
        if not self._socket.closed:
            self._closing = True
            await self._socket.close()

    async def _read(self) -> None:
        async for frame in self._socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                self._books.fault("invented", f"{self._name} heard {frame!r}")
                continue
            now_s = self._crowd.now_s()
            if self._books.heard(self._name, frame.data, now_s):
                sent_s = self._sent_s.pop(int(frame.data.split()[0]), now_s)
                self._crowd.waits_s.append(now_s - sent_s)
                if not self._sent_s:
                    self._all_heard.set()
                self._window.release()
        self._all_heard.set()

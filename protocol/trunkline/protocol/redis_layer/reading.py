"""A worker's reading: one blocking read at a time on a link of its own, and the search for lost deliveries."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

import hiredis

from ..errors import LayerUnavailable
from ..messages import Delivery
from ..names import ChannelName, Keys
from ..redis_layout import Place
from .cluster_link import link_to
from .deliveries import Deliveries
from .faults import Survives
from .link import Link
from .packing import pack
from .scripts import SCRIPTS
from .silence import GIVE_UP_S
from .wire import Answer

log = logging.getLogger(__name__)

READ_BLOCK_MS = 2000
READ_LIMIT_S = READ_BLOCK_MS / 1000 + GIVE_UP_S
"""A read without an answer for so long has lost its connection, and nobody was told."""
HELD_COUNT = 10_000
"""Entries of a stream that are asked for when a delivery may have been lost."""
SEARCH_S = 10.0
"""Between two searches for lost deliveries."""


class Reading:
    """Reads the channels of a worker.

    Args:
        place: where Redis is.
        keys: of the shard.
        calls: link on which a waiting read is ended.
        deliveries: where entries go.
        on_nothing: called when a read ends with nothing, before the next.

    Attributes:
        link: on which the reads block.
        reader_id: Redis' number of the reading connection, 0 while there is none.
        under_way: a read waits for its answer.
        searching: a search for lost deliveries waits for its answer.
        paused: a take-over is under way, and no read may begin beside it.
        ended: no read may begin any more.
    """

    __slots__ = (
        "_by_stream",
        "_calls",
        "_channels",
        "_commands",
        "_deliveries",
        "_keys",
        "_left",
        "_old_reader_id",
        "_on_nothing",
        "_search",
        "_searched_s",
        "_since_s",
        "_wanted",
        "_worker",
        "ended",
        "link",
        "paused",
        "reader_id",
        "searching",
        "under_way",
    )

    def __init__(
        self, place: Place, keys: Keys, calls: Link, deliveries: Deliveries, on_nothing: Callable[[], None]
    ) -> None:
        self.link = link_to(place, "trunkline-reader", self._up, self._down)
        self._keys = keys
        self._calls = calls
        self._deliveries = deliveries
        self._on_nothing = on_nothing
        self._worker = ""
        self._channels: list[ChannelName] = []
        self._left: list[ChannelName] = []  # served until now; a delivery of theirs may have been lost
        self._by_stream: dict[bytes, ChannelName] = {}
        self._commands: dict[int, bytes] = {}  # packed, by how many entries they ask for
        self._wanted = 0  # entries a read asks for; 0 when nobody waits for one
        self.reader_id = 0
        self._old_reader_id = 0  # of the connection before
        self._since_s: float | None = None
        self._searched_s = 0.0
        self._search: asyncio.Task[None] | None = None
        self.under_way = False
        self.searching = False
        self.paused = False
        self.ended = False

    async def open(self, worker: str, channels: list[ChannelName]) -> None:
        """Connects and makes what is missing of the streams and their group.

        Raises:
            LayerUnavailable: Redis does not answer.
        """
        self._worker = worker
        self._set(channels)
        await self.link.open()

    def serve(self, channels: list[ChannelName]) -> None:
        """Reads these channels from now on, over a new connection: what the read that waits brings meanwhile is found
        again as what was lost."""
        self._left = [*self._left, *(channel for channel in self._channels if channel not in channels)]
        self._set(channels)
        self.link.reset("other channels are to be read")

    def _set(self, channels: list[ChannelName]) -> None:
        self._channels = channels
        self._by_stream = {self._keys.stream(channel).encode(): channel for channel in channels}
        self._commands.clear()

    async def close(self) -> None:
        """Ends the link. Idempotent."""
        self.ended = True
        if self._search is not None:
            self._search.cancel()
        await self.link.close()

    def want(self, count: int) -> None:
        """Asks for up to ``count`` entries a stream."""
        self._wanted = count
        self.send()

    def unwant(self) -> None:
        """Asks for nothing any more, and ends the read that waits."""
        self._wanted = 0
        self.end()

    def satisfied(self) -> None:
        """What was asked for has come another way; the worker asks again when it has room."""
        self._wanted = 0

    def end(self) -> None:
        """Ends the read that waits; its answer still comes."""
        if self.under_way and self.reader_id:
            # A callback of its own for each, by which `Silence` tells calls apart.
            self._calls.call(["CLIENT", "UNBLOCK", self.reader_id], partial(_ignore))

    def send(self) -> None:
        """Begins a read if one is wanted and possible."""
        # Without the number of its connection that one is not ready yet, and would wait behind the read to be.
        if self.under_way or self.searching or self.paused or self.ended or not self.reader_id:
            return
        now_s = time.monotonic()
        if now_s - self._searched_s > SEARCH_S:
            self._begin_search()
            return
        count = self._wanted
        if not count:
            return
        self.under_way = True
        self._since_s = now_s
        self.link.send(self._commands.get(count) or self._command(count), self._have_read)

    def _command(self, count: int) -> bytes:
        """The read of so many entries, which is the same each time: where messages come singly, packing it would be a
        part of what each costs."""
        streams = [self._keys.stream(channel) for channel in self._channels]
        packed = pack(
            [
                "XREADGROUP", "GROUP", self._keys.consumer_group, self._worker, "COUNT", count,
                "BLOCK", READ_BLOCK_MS, "STREAMS", *streams, *([">"] * len(streams)),
            ]
        )  # fmt: skip
        self._commands[count] = packed
        return packed

    def look(self) -> None:
        """Starts over if a read lasts longer than Redis lets it; searches, if it is time, beside no read."""
        if self._since_s is not None and time.monotonic() - self._since_s > READ_LIMIT_S:
            self.link.reset("no answer to a read, which Redis ends by itself")
        self.send()

    def _have_read(self, answer: Answer) -> None:
        self.under_way = False
        self._since_s = None
        if isinstance(answer, hiredis.ReplyError):
            # NOGROUP after a loss of data, LOADING, READONLY: a new connection makes the groups again, with back-off.
            self.link.reset(answer)
        elif answer:
            self._wanted = 0
            deliveries: list[Delivery] = []
            for stream, entries in answer:
                deliveries += self._deliveries.make(self._by_stream[stream], entries, 1)
            self._deliveries.hand_over(deliveries)
        else:
            self._on_nothing()
            self.send()

    # ---- the link ----

    async def _up(self) -> None:
        for channel in self._channels:
            await self._make_group(channel)
        if self._old_reader_id:
            # Redis may not have noticed yet that the old connection is gone, and deliver to the read that waits there.
            self.link.call(["CLIENT", "UNBLOCK", self._old_reader_id], _ignore)
        reader_id = self._old_reader_id = await self.link.ask(["CLIENT", "ID"])
        # Before any read, behind which each question of the search would wait: for seconds, where nothing comes.
        await self._find_lost()
        self.reader_id = reader_id
        self.send()

    async def _make_group(self, channel: ChannelName) -> None:
        try:
            anew = await self.link.ask(
                SCRIPTS["serve"].call(
                    [self._keys.stream(channel)], [self._keys.base, self._keys.consumer_group, channel]
                )
            )
        except LayerUnavailable as error:
            raise LayerUnavailable(f"cannot make the consumer group of {channel}: {error}") from error
        if anew:
            log.error(
                "worker=%s the consumer group of channel=%s was deleted: it begins anew, and interface servers publish "
                "again what they hold of it",
                self._worker,
                channel,
            )

    def _down(self) -> None:
        self.under_way = False
        self._since_s = None
        self.reader_id = 0

    # ---- lost deliveries ----

    def _begin_search(self) -> None:
        self.searching = True
        self._search = asyncio.create_task(self._find_again(), name="search for lost deliveries")

    async def _find_again(self) -> None:
        with Survives(f"worker={self._worker}", "search for lost deliveries"):
            try:
                async with asyncio.timeout(GIVE_UP_S):
                    await self._find_lost()
            except LayerUnavailable as error:
                log.info("worker=%s cannot ask what it holds: %s", self._worker, error)
            except TimeoutError:
                # A connection that is gone and nobody was told; `look` sees to reads only.
                self.link.reset("no answer to the search for lost deliveries")
            finally:
                self.searching = False
                self.send()

    async def _find_lost(self) -> None:
        """Takes up entries that were delivered in an answer which never arrived."""
        self._searched_s = time.monotonic()
        left, self._left = self._left, []  # what is left while the question is on its way is the next one's
        try:
            await self._find_lost_of([*self._channels, *left])
        except BaseException:
            self._left = [*left, *self._left]
            raise

    async def _find_lost_of(self, channels: list[ChannelName]) -> None:
        streams = [self._keys.stream(channel) for channel in channels]
        # What is committed or handed back while the question is on its way is not lost.
        known = self._deliveries.known()
        held = await self.link.ask(
            SCRIPTS["held"].call(streams, [self._keys.consumer_group, self._worker, HELD_COUNT])
        )
        lost: list[Delivery] = []
        for index, entry_id, count in held:
            channel = channels[index - 1]
            if (channel, entry_id.decode()) in known:
                continue
            found = await self.link.ask(["XRANGE", streams[index - 1], entry_id, entry_id])
            if found:
                lost += self._deliveries.make(channel, found, count)
        if lost:
            log.info("worker=%s takes up %d entries whose delivery was lost", self._worker, len(lost))
            self._deliveries.hand_over(lost)


def _ignore(answer: Answer) -> None:
    """Of commands whose answer changes nothing."""

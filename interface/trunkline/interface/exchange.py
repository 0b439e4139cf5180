"""One plain HTTP request: to a worker as an ``http.request`` message, and its response back over the reply channel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import web
from multidict import CIMultiDict

from trunkline.protocol.codec import encode_entry
from trunkline.protocol.layer import Publication
from trunkline.protocol.marks import TraceContext
from trunkline.protocol.messages import Entry
from trunkline.protocol.names import REQUEST, ConnectionId, ReplyName

from .answers import SERVER_HEADER
from .headers import RESPONSE_OWNS, clean_headers

if TYPE_CHECKING:
    from .tenure import Tenure


class Part(NamedTuple):
    """A piece of a response.

    Attributes:
        status: of the response; meant in its first part.
        headers: of the response; meant in its first part.
        content: bytes of the body.
        more: further parts follow.
    """

    status: int
    headers: CIMultiDict[str]
    content: bytes
    more: bool


class GaveUp(Exception):
    """There will be no response from a worker.

    Attributes:
        status: what the client is told instead.
    """

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


def read_part(payload: Any) -> tuple[Part | None, list[str]]:
    """Reads what a handler sent as a response or a piece of one.

    Returns:
        The part, None if it is no such thing; and what is wrong with it.
    """
    if not isinstance(payload, dict):
        return None, [f"an HTTP response is a map with status and content, got {type(payload).__name__}"]
    status = payload.get("status", 200)
    content = payload.get("content", b"")
    more = payload.get("more_content", False)
    if isinstance(content, str):
        content = content.encode("utf-8", "replace")
    if type(status) is not int or not 200 <= status <= 599:
        return None, [f"status {status!r}: expected 200 to 599"]
    if not isinstance(content, bytes):
        return None, [f"content is a {type(content).__name__}, expected bytes"]
    good, faults = clean_headers(payload.get("headers"), RESPONSE_OWNS)
    return Part(status, CIMultiDict(good), content, more is True), faults


class Exchange:
    """A request that waits for its response; an `Owner` and a `Recipient`.

    Args:
        connection: its id, as if it were a connection.
        reply: its reply channel.
        tenure: what it is held by.
        cut: ends the client's connection at once.

    Attributes:
        publication: its entry while that is in flight.
        batch: number of the batch it left with.
        origin: the trace that the request came with; None for none.
    """

    __slots__ = (
        "_bytes",
        "_cut",
        "_failed",
        "_parts",
        "_tenure",
        "_wake",
        "batch",
        "id",
        "origin",
        "publication",
        "reply",
    )

    def __init__(
        self, connection: ConnectionId, reply: ReplyName, tenure: Tenure, cut: Callable[[], None]
    ) -> None:
        self.id = connection
        self._cut = cut
        self.reply = reply
        self.publication: Publication | None = None
        self.batch = 0
        self.origin: TraceContext | None = None
        self._tenure = tenure
        self._parts: list[Part] = []
        self._bytes = 0
        self._failed: GaveUp | None = None
        self._wake = asyncio.Event()

    def publish(self, path: str, event: dict[str, Any]) -> None:
        """Sends the request to the workers."""
        body = encode_entry(Entry(REQUEST, self.reply, path, 0, [event]))
        home = self._tenure.home(self.id)
        home.publisher.add(Publication(home.tracks.pick().request, body, self))

    def refused(self) -> bool:
        """The channel is full."""
        self._tenure.metrics.refusals.value += 1
        self.publication = None
        self.abandon(503, "the server is busy")
        return False

    def released(self, seq: int, payloads: Sequence[Any], now_s: float) -> None:
        """The handler has ended; parts may still come from elsewhere if it said so."""
        if seq != 0 or self.publication is None:
            self._tenure.drop("replay")
            return
        self.publication = None
        for payload in payloads:
            self._take(payload)

    def sent(self, seq: int, payload: Any) -> None:
        """A part, sent while the handler runs or from elsewhere."""
        if seq >= 0 and (seq != 0 or self.publication is None):
            self._tenure.drop("replay")
            return
        self._take(payload)

    def abandon(self, status: int, text: str) -> None:
        """Nobody will answer."""
        self._failed = GaveUp(status, text)
        self._wake.set()

    def _take(self, payload: Any) -> None:
        if self._failed is not None:
            self._tenure.drop("gone")
            return
        part, faults = read_part(payload)
        for fault in faults:
            self._tenure.drop("bad_payload")
            self._tenure.warn("http_payload", "HTTP response: %s", fault)
        if part is None:
            self.abandon(500, "the application's answer cannot be sent")
            return
        self._bytes += len(part.content)
        if self._bytes > self._tenure.settings.outbound_bytes and self._parts:
            self.too_slow()
            self.abandon(500, "the client reads too slowly")
            self._cut()
            return
        self._parts.append(part)
        self._wake.set()

    def too_slow(self) -> None:
        """Counts a client that does not read."""
        self._tenure.metrics.slow_readers.value += 1

    @property
    def timeout_s(self) -> float:
        """Seconds a part may take to come, or to be taken."""
        return self._tenure.settings.http_timeout_s

    async def next(self) -> Part:
        """The next part.

        Raises:
            GaveUp: there is none, or none in time.
        """
        if not self._parts and self._failed is None:
            self._wake.clear()
            try:
                async with asyncio.timeout(self.timeout_s):
                    await self._wake.wait()
            except TimeoutError:
                raise GaveUp(504, "the application did not answer in time") from None
        if not self._parts and self._failed is not None:
            raise self._failed
        part = self._parts.pop(0)
        self._bytes -= len(part.content)
        return part


async def respond(
    exchange: Exchange, request: web.BaseRequest, closing: Callable[[], bool]
) -> web.StreamResponse:
    """Answers a request with what comes: whole if it comes whole, else in chunks, no quicker than the client reads.

    If it is cancelled because the client has gone, the rest is dropped.

    Args:
        exchange: where the answer comes.
        request: it.
        closing: whether an answer that begins now is the connection's last, and says so.

    Raises:
        GaveUp: no response came.
        ConnectionError: it broke off in the middle, or the client takes nothing: its connection is cut off.
    """
    part = await exchange.next()
    if not part.more:
        whole = web.Response(status=part.status, headers=part.headers, body=part.content)
        whole.headers.setdefault("Server", SERVER_HEADER)
        if closing():
            whole.force_close()
        await _in_time(exchange, request, _write_whole(whole, request))
        return whole
    response = web.StreamResponse(status=part.status, headers=part.headers)
    response.headers.setdefault("Server", SERVER_HEADER)
    if closing():
        response.force_close()
    await response.prepare(request)
    while True:
        if part.content and request.method != "HEAD":
            await _in_time(exchange, request, response.write(part.content))
        if not part.more:
            await _in_time(exchange, request, response.write_eof())
            return response
        try:
            part = await exchange.next()
        except GaveUp as error:
            # The status is out already: a connection that ends without the last chunk says that this is not all.
            cut(request)
            raise ConnectionError(str(error)) from error


async def _write_whole(response: web.Response, request: web.BaseRequest) -> None:
    await response.prepare(request)
    await response.write_eof()


async def _in_time(exchange: Exchange, request: web.BaseRequest, writing: Coroutine[Any, Any, None]) -> None:
    """Writes; a client that takes nothing for the request's time, or lets too much pile up, is cut off."""
    try:
        async with asyncio.timeout(exchange.timeout_s):
            await writing
    except TimeoutError as error:
        exchange.too_slow()
        cut(request)
        raise ConnectionError("the client does not read") from error


def cut(request: web.BaseRequest) -> None:
    """Ends a client's connection at once."""
    if request.transport is not None:
        request.transport.abort()

"""One message through the whole cluster and back, to show that it works: what ``trunkline up`` waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from trunkline.protocol.codec import encode_entry
from trunkline.protocol.layer import Publication
from trunkline.protocol.messages import Entry
from trunkline.protocol.names import TRIP

if TYPE_CHECKING:
    from .tenure import Tenure

TRIP_LIMIT_S: Final = 5.0


class Trip:
    """A message on its way; an `Owner` and a `Recipient`."""

    __slots__ = ("answer", "batch", "publication")

    def __init__(self, answer: asyncio.Future[tuple[int, str]]) -> None:
        self.answer = answer
        self.publication: Publication | None = None
        self.batch = 0

    def refused(self) -> bool:
        """The channel is full."""
        self.publication = None
        self.abandon(503, "the channel is full")
        return False

    def released(self, seq: int, payloads: Sequence[Any], now_s: float) -> None:
        """A worker has answered."""
        self.publication = None
        for payload in payloads:
            self.sent(-1, payload)

    def sent(self, seq: int, payload: Any) -> None:
        """The answer itself: a map whose content is the worker's id."""
        content = payload.get("content", b"") if isinstance(payload, dict) else b""
        worker = content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content)
        if not self.answer.done():
            self.answer.set_result((200, worker))

    def abandon(self, status: int, text: str) -> None:
        """There will be no answer."""
        if not self.answer.done():
            self.answer.set_result((status, text))


async def make_trip(tenure: Tenure, limit_s: float = TRIP_LIMIT_S) -> tuple[int, str]:
    """Sends one message to any worker and waits for its answer.

    Args:
        tenure: from where.
        limit_s: seconds until it is given up.

    Returns:
        HTTP status and text: 200 with milliseconds and worker, 503 or 504 with the reason.
    """
    trip = Trip(tenure.loop.create_future())
    connection, reply = tenure.new_id()
    tenure.enter(connection, trip)
    started_s = perf_counter()
    try:
        body = encode_entry(Entry(TRIP, reply, None, 0, [{}]))
        tenure.home(connection).publisher.add(Publication(TRIP, body, trip))
        async with asyncio.timeout(limit_s):
            status, text = await trip.answer
    except TimeoutError:
        return 504, f"no worker answered within {limit_s:g} s"
    finally:
        tenure.forget(connection)
    if status != 200:
        return status, text
    return 200, f"ms={(perf_counter() - started_s) * 1000:.1f} worker={text} interface={tenure.id}"

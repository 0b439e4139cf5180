"""Dead letters: what a worker writes down about a message that it could not handle. Pure."""

from __future__ import annotations

import time
import traceback
from typing import NamedTuple

from trunkline.protocol.codec import encode_dead_letter, encode_marked
from trunkline.protocol.errors import TrunklineError
from trunkline.protocol.messages import DeadLetter, DeadLetterRecord, Delivery, Entry, Outcome
from trunkline.protocol.tracks import split_track

from .match import Match


class PoisonError(TrunklineError):
    """Stands in a dead letter for the error nobody saw: the worker died."""


class UnroutedError(TrunklineError):
    """A message of a background channel that no route takes."""


class Failure(NamedTuple):
    """Why a message becomes a dead letter.

    Attributes:
        reason: see `messages.DeadLetterRecord`.
        error: what was raised.
        worker: who tried.
        session: the channel session before the handler, encoded, or empty.
        tries: how often the handler ran in this delivery; 0 if it did not, or died unseen.
    """

    reason: str
    error: BaseException
    worker: str
    session: bytes = b""
    tries: int = 0


def letter(
    delivery: Delivery, entry: Entry, index: int, match: Match | None, failure: Failure, code: str = ""
) -> bytes:
    """The encoded dead letter of one event of an entry.

    Args:
        delivery: of the entry.
        entry: decoded.
        index: of the event.
        match: the route that was tried, or None.
        failure: what happened.
        code: version of the application's code, or empty.
    """
    # One that was redriven counts that in its seq, and its number stands in its id: see `redriving`.
    seq = entry.seq + index if entry.seq >= 0 else entry.seq
    single = entry._replace(seq=seq, events=[entry.events[index]])
    return encode_dead_letter(
        DeadLetterRecord(
            id="",
            reason=failure.reason,
            channel=entry.channel,
            body=encode_marked(single),
            route=match.route.name if match is not None else "",
            error=_described(failure.error),
            traceback="".join(traceback.format_exception(failure.error)),
            attempt=delivery.attempt,
            worker=failure.worker,
            session=failure.session,
            time_s=time.time(),
            tries=failure.tries,
            code=code,
        )
    )


def garbage(delivery: Delivery, error: Exception, worker: str, code: str = "") -> Outcome:
    """The outcome of an entry that cannot be decoded: its bytes as they were, in the dead-letter store."""
    record = DeadLetterRecord(
        id="",
        reason="garbage",
        channel=split_track(delivery.channel)[0],
        body=delivery.body,
        route="",
        error=_described(error),
        traceback="",
        attempt=delivery.attempt,
        worker=worker,
        session=b"",
        time_s=time.time(),
        code=code,
    )
    return Outcome(delivery, [DeadLetter(encode_dead_letter(record))])


def _described(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception as worse:  # a class of the user's: its mistake must not hide the error itself
        text = f"(its text raised {type(worse).__name__})"
    return f"{type(error).__name__}: {text}"

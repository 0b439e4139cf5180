"""Which dead letters a command means. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from fnmatch import fnmatchcase
from typing import NamedTuple

from trunkline.protocol.codec import decode_entry
from trunkline.protocol.errors import CodecError, ConfigError
from trunkline.protocol.messages import DeadLetterRecord

from .settings import DeadFilterSettings

REASONS = (
    "error",
    "timeout",
    "retries",
    "poison",
    "garbage",
    "unrouted",
    "channel_full",
    "delayed_full",
    "effect_failed",
    "unreadable",
)
"""Why there can be a dead letter: ``docs/dead-letters.md`` says what each means."""

_SPAN = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}(@[1-9][0-9]?)?")


class DeadFilter(NamedTuple):
    """What a letter must be like. Empty texts leave everything.

    Attributes:
        route: glob of the route's name.
        channel: glob of the channel's name.
        reasons: one of these, or any.
        error: a part of the error.
        connection: id of the connection, or its reply channel.
        worker: id of the worker.
        since_s: Unix time, and none older.
        until_s: Unix time, and none younger.
    """

    route: str = ""
    channel: str = ""
    reasons: tuple[str, ...] = ()
    error: str = ""
    connection: str = ""
    worker: str = ""
    since_s: float = 0.0
    until_s: float = float("inf")

    @classmethod
    def of(cls, settings: DeadFilterSettings, now_s: float) -> DeadFilter:
        """What the flags say.

        Raises:
            ConfigError: one of them is wrong; the text names it.
        """
        for reason in settings.reason:
            if reason not in REASONS:
                raise ConfigError(f"--reason {reason!r}: expected one of {', '.join(REASONS)}")
        since_s = moment("--since", settings.since, now_s) if settings.since else 0.0
        until_s = moment("--until", settings.until, now_s) if settings.until else float("inf")
        if since_s > until_s:
            raise ConfigError(
                f"--since {settings.since!r} is later than --until {settings.until!r}: nothing can match"
            )
        return cls(
            settings.route,
            settings.channel,
            tuple(settings.reason),
            settings.error,
            settings.connection,
            settings.worker,
            since_s,
            until_s,
        )

    @property
    def given(self) -> bool:
        """Whether it leaves anything out."""
        return self != DeadFilter()

    def matches(self, letter: DeadLetterRecord) -> bool:
        """Whether it leaves this letter."""
        return (
            fnmatchcase(letter.route, self.route or "*")
            and fnmatchcase(letter.channel, self.channel or "*")
            and (not self.reasons or letter.reason in self.reasons)
            and self.error in letter.error
            and self.worker in ("", letter.worker)
            and self.since_s <= letter.time_s <= self.until_s
            and (not self.connection or self.connection in _names(letter))
        )


def moment(flag: str, text: str, now_s: float) -> float:
    """Reads a span (``30s``, ``15m``, ``2h``, ``7d``) before now, or a date, in local time unless it says otherwise.

    Returns:
        Unix time.

    Raises:
        ConfigError: it is neither.
    """
    span = _SPAN.fullmatch(text)
    if span is not None:
        return now_s - int(span[1]) * _SECONDS[span[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise ConfigError(
            f"{flag} {text!r}: expected 30s, 15m, 2h, 7d, or a date such as 2026-01-31T12:00"
        ) from error


def checked_id(letter_id: str) -> str:
    """An id that has the form of one.

    Raises:
        ConfigError: it has not.
    """
    if not _ID.fullmatch(letter_id):
        raise ConfigError(
            f"id {letter_id!r}: expected one as 'trunkline dead list' shows them, such as 1767225600000-0"
        )
    return letter_id


def _names(letter: DeadLetterRecord) -> tuple[str, str]:
    """The reply channel of a letter's message, and the connection in it."""
    try:
        reply = decode_entry(letter.channel, letter.body).reply or ""
    except CodecError:
        return ("", "")
    return (reply, reply.partition("!")[2])

"""What happens to a message, and to its connection, when its handler raises."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from trunkline.protocol.errors import ConfigError

MAX_RETRIES = 100
MAX_BACKOFF_S = 3600.0


class ErrorPolicy(NamedTuple):
    """The policy of one route.

    Attributes:
        kind: ``dead``: the message becomes a dead letter and the connection goes on; ``close``: the same, and the
            connection is closed with 1011; ``retry``: the handler runs again first, then as ``dead``.
        times: how often it is tried again.
        backoff_s: seconds before the first new try; each further one waits twice as long.
    """

    kind: Literal["dead", "close", "retry"]
    times: int = 0
    backoff_s: float = 0.0


DEAD = ErrorPolicy("dead")
CLOSE = ErrorPolicy("close")


def retry(times: int, backoff_s: float = 1.0) -> ErrorPolicy:
    """Runs the handler up to ``times`` more before its message becomes a dead letter.

    Only that connection waits meanwhile: its next event is not taken before this one is decided.

    Raises:
        ConfigError: ``times`` is not 1 to 100, or ``backoff_s`` is no number of seconds from 0 to 3600.
    """
    if type(times) is not int or not 1 <= times <= MAX_RETRIES:
        raise ConfigError(f"retry(times={times!r}): expected an int from 1 to {MAX_RETRIES}")
    if (
        not isinstance(backoff_s, (int, float))
        or math.isnan(backoff_s)
        or not 0 <= backoff_s <= MAX_BACKOFF_S
    ):
        raise ConfigError(f"retry(backoff_s={backoff_s!r}): expected seconds from 0 to {MAX_BACKOFF_S:.0f}")
    return ErrorPolicy("retry", times, float(backoff_s))


NAMES = {"dead": DEAD, "close": CLOSE}
"""The policies a route names with a str."""

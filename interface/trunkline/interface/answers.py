"""Short answers that the server gives by itself."""

from __future__ import annotations

import random
from typing import Final

from aiohttp import web

RETRY_MIN_S: Final = 1
RETRY_MAX_S: Final = 5
"""What a 503 or 429 says, at random between the two: a full channel has room again, a Redis that was away is back,
mostly within the first, and those who were refused together shall not come back together."""
SERVER_HEADER: Final = "trunkline"


def retry_after() -> str:
    """Value of a Retry-After header: whole seconds (RFC 9110 section 10.2.3)."""
    return str(random.randint(RETRY_MIN_S, RETRY_MAX_S))


def plain(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    """A short answer in plain text after which the connection is closed."""
    response = web.Response(status=status, text=f"{text}\n", headers=headers)
    response.headers["Server"] = SERVER_HEADER
    if status in (429, 503):
        response.headers.setdefault("Retry-After", retry_after())
    response.force_close()
    return response

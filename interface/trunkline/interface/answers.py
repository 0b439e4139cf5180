"""Short answers that the server gives by itself."""

from __future__ import annotations

from typing import Final

from aiohttp import web

RETRY_AFTER_S: Final = "1"
"""What a 503 says: a full channel has room again, a Redis that was away is back, mostly within that time."""
SERVER_HEADER: Final = "trunkline"


def plain(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    """A short answer in plain text after which the connection is closed."""
    response = web.Response(status=status, text=f"{text}\n", headers=headers)
    response.headers["Server"] = SERVER_HEADER
    if status == 503:
        response.headers.setdefault("Retry-After", RETRY_AFTER_S)
    response.force_close()
    return response

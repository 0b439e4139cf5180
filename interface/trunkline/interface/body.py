"""The body of a request: read whole, within a size and a time."""

from __future__ import annotations

import asyncio

from aiohttp import web

from .exchange import GaveUp


async def read_body(request: web.BaseRequest, max_bytes: int, timeout_s: float) -> bytes:
    """Reads the body of a request, and asks for it if the client waits for that (``Expect: 100-continue``).

    Args:
        request: nothing of whose body was read.
        max_bytes: a longer one is refused, if its length is told before any of it is read.
        timeout_s: from now until its end.

    Raises:
        GaveUp: it is too large, or does not come in time. When cancelled, what was read is lost with the request.
    """
    if not request.can_read_body:
        return b""
    too_large = GaveUp(413, f"a body has at most {max_bytes} bytes")
    if request.content_length is not None and request.content_length > max_bytes:
        raise too_large
    if request.headers.get("Expect", "").lower() == "100-continue" and request.version >= (1, 1):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # aiohttp takes anything written for the begin of the response.
        request.writer.output_size = 0
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > max_bytes:
                    raise too_large
    except TimeoutError:
        raise GaveUp(408, "the body did not come in time") from None
    return bytes(body)

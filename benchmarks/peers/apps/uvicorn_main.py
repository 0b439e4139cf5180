"""``python -m uvicorn_main module:attribute``: an ASGI application on uvicorn, set up as for production.

uvloop and httptools, no access log, warnings only; permessage-deflate is off, because no client here offers it.
"""

from __future__ import annotations

import socket
import sys

import uvicorn


class Announcing(uvicorn.Server):
    """Says where it listens once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens."""
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()
            print(f"listening address=http://{host}:{port}", flush=True)


def main() -> None:
    """Serves until the process is ended."""
    config = uvicorn.Config(
        sys.argv[1],
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
    )
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    Announcing(config).run(sockets=[listener])


if __name__ == "__main__":
    main()

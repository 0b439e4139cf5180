"""Routes of the echo. No filter serves every path; no connect route accepts every handshake."""

from __future__ import annotations

from trunkline.worker import route

channel_routing = [
    route("websocket.receive", "examples.echo.consumers.ws_echo"),
]

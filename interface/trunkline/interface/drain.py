"""How a drain closes sockets: at an even pace, so that their clients do not all come back in the same moment."""

from __future__ import annotations

import asyncio
from typing import Final

from .frames import SERVICE_RESTART
from .tenure import Tenure

STEP_S: Final = 0.05
"""How often some sockets are closed."""
MIN_CLOSES: Final = 10
"""A step closes at least so many: few connections need no pace."""


async def close_paced(tenure: Tenure, over_s: float) -> None:
    """Closes every open WebSocket with 1012. Cancelling it leaves the rest open.

    Args:
        tenure: whose.
        over_s: seconds it may take for them all.
    """
    connections = tenure.open_connections()
    steps = max(1, int(over_s / STEP_S) - 1)
    share = max(MIN_CLOSES, -(-len(connections) // steps))
    for start in range(0, len(connections), share):
        for connection in connections[start : start + share]:
            connection.close(SERVICE_RESTART, "the server restarts")
        if start + share < len(connections):
            await asyncio.sleep(STEP_S)
    for connection in tenure.open_connections():
        # Their handshakes ended while the others were closed.
        connection.close(SERVICE_RESTART, "the server restarts")

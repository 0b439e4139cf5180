"""Where a WebSocket stands between its handshake and its end, and why its socket may not be read."""

from __future__ import annotations

import enum
from typing import Final


class State(enum.Enum):
    """Where a connection stands."""

    CONNECTING = "connecting"
    """The connect handler has not decided; what is sent to it waits for the upgrade."""
    OPEN = "open"
    CLOSING = "closing"
    """Our close frame is out; the client's answer, or the deadline, ends it."""
    CLOSED = "closed"
    """Nothing more is written or read; the disconnect is on its way or released."""


# Names of their own: hot code asks for them with every message, and an attribute of an enum class is looked up slowly.
CONNECTING: Final = State.CONNECTING
OPEN: Final = State.OPEN
CLOSING: Final = State.CLOSING
CLOSED: Final = State.CLOSED

# Why a socket is not read; several may hold at once, so they are bits.
HOLD_FULL: Final = 1
"""Its queue is full."""
HOLD_AWAY: Final = 2
"""The layer does not answer."""
HOLD_REFUSED: Final = 4
"""The channel is full."""
HOLD_TURN: Final = 8
"""It sent more frames at once than are looked at in one turn of the event loop."""
HOLD_BUSY: Final = 16
"""The workers have more to do than they can, and it is not its turn."""

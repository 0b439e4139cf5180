"""HTTP methods that never reach a handler. Pure."""

from __future__ import annotations

from typing import Final

REFUSED: Final = frozenset(("CONNECT", "TRACE"))
"""An application's 200 to a CONNECT would open a tunnel in a proxy before us (RFC 9110 section 9.3.6), and TRACE is
there to send cookies back to whoever asks."""

ALLOW: Final = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
"""What the answer names instead; any other method reaches the handlers too."""

"""What a map that was sent to a WebSocket says. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from . import frames


class Said(NamedTuple):
    """A map, read.

    Attributes:
        frames: texts and bytes to write, in order.
        close: code and reason to close with behind them, or None.
        faults: how much of it cannot be understood.
    """

    frames: list[str | bytes]
    close: tuple[int, str] | None
    faults: int


def read_map(payload: dict[str, Any]) -> Said:
    """Reads ``{"text" or "bytes": …, "close": True or a code, "reason": …}``; see the wire contract."""
    data: list[str | bytes] = [
        value for key, kind in (("text", str), ("bytes", bytes)) if type(value := payload.get(key)) is kind
    ]
    wish = payload.get("close")
    if wish is not None and wish is not False:
        code = frames.NORMAL if wish is True else wish
        reason = payload.get("reason", "")
        if frames.may_be_sent(code) and type(reason) is str:
            return Said(data, (code, reason), 0)
        return Said(data, (frames.INTERNAL_ERROR, ""), 1)
    understood = bool(data) or "close" in payload or "accept" in payload
    return Said(data, None, 0 if understood else 1)

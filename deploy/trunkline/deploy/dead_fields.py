"""A dead letter as people and programs read it. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from trunkline.protocol.codec import decode_entry, decode_session
from trunkline.protocol.errors import CodecError
from trunkline.protocol.messages import DeadLetterRecord, Entry
from trunkline.protocol.redriving import number, redrives

SCHEMA = 1
"""Of every answer with ``--json``. It rises when a field changes its meaning or goes, not when one comes."""

_SHOWN_BYTES = 400
# What a client sent may stand in an error: it must not move the cursor of whoever looks at it.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def fields(letter: DeadLetterRecord) -> dict[str, Any]:
    """A letter for JSON: always these keys, see ``docs/dead-letters.md``."""
    entry, unreadable = _entry(letter)
    session, session_fault = _session(letter.session)
    return {
        "id": letter.id,
        "time": utc(letter.time_s),
        "reason": letter.reason,
        "channel": letter.channel,
        "route": letter.route,
        "error": letter.error,
        "traceback": letter.traceback,
        "deliveries": letter.attempt,
        "tries": letter.tries,
        "redriven": redrives(entry) if entry is not None else 0,
        "worker": letter.worker,
        "code_version": letter.code,
        "connection": _connection(entry),
        "events": plain(entry.events) if entry is not None else None,
        "unreadable": unreadable,
        "session": plain(session),
        "session_unreadable": session_fault,
    }


def lines(letter: DeadLetterRecord) -> list[str]:
    """A letter for people, the traceback last."""
    entry, unreadable = _entry(letter)
    tried = [f"{letter.attempt} {'delivery' if letter.attempt == 1 else 'deliveries'}"]
    if letter.tries > 1:
        tried.append(f"{letter.tries} tries in the last")
    if entry is not None and redrives(entry):
        tried.append(f"put back before: {redrives(entry)}")
    shown = {
        "id": letter.id,
        "time": local(letter.time_s),
        "reason": letter.reason,
        "error": letter.error,
        "route": letter.route or "-",
        "channel": letter.channel or "-",
        "attempts": ", ".join(tried),
        "worker": letter.worker or "-",
        "code": letter.code or "-",
    }
    found = _connection(entry)
    if found is not None:
        shown["connection"] = found["reply_channel"]
        shown["path"] = found["path"] if found["path"] is not None else "-"
        shown["event"] = str(found["seq"]) if found["seq"] is not None else "-"
    if entry is not None and entry.id is not None:
        shown["message id"] = entry.id
    text = [f"{name:11} {safe(value)}" for name, value in shown.items()]
    text += [_block("message", _event(event)) for event in (entry.events if entry is not None else [])]
    if unreadable is not None:
        text.append(_block("message", f"cannot be read: {unreadable['expected']}\n{_bytes(letter.body)}"))
    text.append(_block("session", _session_text(letter.session)))
    text += [safe(line) for line in letter.traceback.splitlines()]
    return text


def plain(value: Any) -> Any:
    """A value as JSON has it; ``{"$bytes": hex}`` and the like stand for what JSON cannot say."""
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(value)}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {key: plain(item) for key, item in value.items()}
        return {"$map": [[plain(key), plain(item)] for key, item in value.items()]}
    return value


def safe(text: str) -> str:
    """A text for one line of a terminal, whoever wrote it."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def utc(time_s: float) -> str:
    """A time for programs."""
    return _moment(time_s).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local(time_s: float) -> str:
    """A time for people, where they are."""
    return _moment(time_s).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def counted(letters: Iterable[tuple[str, str, str, float]]) -> list[dict[str, Any]]:
    """Counts letters by reason, route and channel, most first.

    Args:
        letters: reason, route, channel and Unix time of each.
    """
    groups: dict[tuple[str, str, str], list[float]] = {}
    for reason, route, channel, time_s in letters:
        group = groups.setdefault((reason, route, channel), [0, time_s, time_s])
        group[0] += 1
        group[1] = min(group[1], time_s)
        group[2] = max(group[2], time_s)
    most = sorted(groups.items(), key=lambda item: (-item[1][0], item[0]))
    return [
        {"reason": reason, "route": route, "channel": channel, "letters": int(count)}
        | {"oldest_s": oldest_s, "newest_s": newest_s}
        for (reason, route, channel), (count, oldest_s, newest_s) in most
    ]


def _moment(time_s: float) -> datetime:
    try:
        return datetime.fromtimestamp(time_s, UTC)
    except (ValueError, OverflowError, OSError):  # written by hand: not a time that a calendar has
        return datetime.fromtimestamp(0, UTC)


def _entry(letter: DeadLetterRecord) -> tuple[Entry | None, dict[str, str] | None]:
    """The message; None and why, if it cannot be read."""
    try:
        return decode_entry(letter.channel, letter.body), None
    except CodecError as error:
        return None, {"$bytes": letter.body.hex(), "expected": error.expected}


def _session(raw: bytes) -> tuple[dict[str, Any] | None, dict[str, str] | None]:
    """The session, None if there was none; and why it cannot be read."""
    try:
        return (decode_session(raw), None) if raw else (None, None)
    except CodecError as error:
        return None, {"$bytes": raw.hex(), "expected": error.expected}


def _connection(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None or entry.reply is None:
        return None
    return {
        "reply_channel": entry.reply,
        "id": entry.reply.partition("!")[2],
        "path": entry.path,
        "seq": number(entry),
    }


def _event(event: Any) -> str:
    if isinstance(event, bytes):
        return _bytes(event)
    return json.dumps(plain(event), ensure_ascii=False, indent=None if isinstance(event, str) else 2)


def _bytes(raw: bytes) -> str:
    more = f" … and {len(raw) - _SHOWN_BYTES} more" if len(raw) > _SHOWN_BYTES else ""
    return f"{len(raw)} bytes: {raw[:_SHOWN_BYTES]!r}{more}"


def _session_text(raw: bytes) -> str:
    session, fault = _session(raw)
    if fault is not None:
        return f"cannot be read: {fault['expected']}\n{_bytes(raw)}"
    if session is None:
        return "- (empty, or the handler does not ask for it)"
    return json.dumps(plain(session), ensure_ascii=False, indent=2)


def _block(name: str, text: str) -> str:
    first, *rest = [safe(line) for line in text.split("\n")]
    return "\n".join([f"{name:11} {first}", *(f"{'':11} {line}" for line in rest)])

"""What handlers send: checked here, once, and turned into the payload of the wire contract.

Everything is pure. A mistake is a `MessageError` at the line that sent it, so that it stands in the
traceback of the handler and not in a log of another process. Keys are those of Channels 1.x:

========================  ===============================================================================
to a WebSocket            ``text`` or ``bytes``, ``close`` (True or a close code), ``reason``
in a connect handler      also ``accept`` with ``subprotocol``, ``headers`` and ``outbound`` (what a client that reads
                          too slowly loses: `OUTBOUND_POLICIES`), or with ``status`` to refuse
to an HTTP request        ``status``, ``headers``, ``content``, ``more_content``
========================  ===============================================================================

A key whose value is None counts as not given, as in Channels 1.x.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from typing import Any, Final

from trunkline.protocol.codec import MAX_BODY_BYTES
from trunkline.protocol.errors import MessageError
from trunkline.protocol.messages import Content, Payload

from .content_values import (
    bounded,
    close_code,
    close_reason,
    flag,
    frame_data,
    header_pairs,
    outbound,
    shown,
    status,
    subprotocol,
    utf8,
    wrong,
)

FRAME_KEYS: Final[tuple[str, ...]] = ("text", "bytes", "close", "reason")
VERDICT_KEYS: Final[tuple[str, ...]] = ("accept", "subprotocol", "headers", "outbound", "status")
HTTP_KEYS: Final[tuple[str, ...]] = ("status", "headers", "content", "more_content")

REFUSED: Final = 403
"""HTTP status of a refused handshake unless the handler names another (Channels 1.x, ASGI)."""

_EXAMPLE: Final = "expected a dict such as {'text': 'hello'}"


def reply_payload(content: object) -> Payload:
    """Checks what goes to a connection of either kind: a WebSocket that is open, or an HTTP request.

    Raises:
        MessageError: it is neither, or both.
    """
    if type(content) is dict and not content.keys().isdisjoint(("status", "content", "more_content")):
        return http_payload(content)
    return frame_payload(content)


def frame_payload(content: object) -> Payload:
    """Checks what goes to an open WebSocket, or to a group of them.

    Returns:
        The text or the bytes of a frame, or a new map with ``close`` and what goes before it.

    Raises:
        MessageError: a key, a value or their combination is not allowed.
    """
    # The common case first; `isascii` reads a flag, and ASCII text can always be encoded.
    if type(content) is dict and len(content) == 1:
        text = content.get("text")
        if type(text) is str and text.isascii() and len(text) <= MAX_BODY_BYTES:
            return text
    given = _given(content, FRAME_KEYS, "a WebSocket message")
    return _frame(given)


def connect_payload(content: object) -> Payload:
    """Checks what a connect handler says to its own connection: frames as `frame_payload`, and the verdict.

    Returns:
        As `frame_payload`; a map also holds ``accept`` with what belongs to it. `verdict` takes both apart.

    Raises:
        MessageError: a key, a value or their combination is not allowed.
    """
    given = _given(content, (*FRAME_KEYS, *VERDICT_KEYS), "a message of a connect handler")
    accept = flag(given, "accept")
    if accept is None:
        _refuse_without(given, VERDICT_KEYS[1:], "'accept'")
        return _frame(given)
    checked: Content = {"accept": accept}
    if accept:
        _refuse_without(given, ("status",), "'accept': False")
        if "subprotocol" in given:
            checked["subprotocol"] = subprotocol(given["subprotocol"])
        if "headers" in given:
            checked["headers"] = header_pairs(given["headers"])
        if "outbound" in given:
            checked["outbound"] = outbound(given["outbound"])
    else:
        _refuse_without(
            given, ("subprotocol", "headers", "outbound", "text", "bytes", "reason"), "'accept': True"
        )
        checked["status"] = status(given.get("status", REFUSED), 400)
    rest = {key: given[key] for key in FRAME_KEYS if key in given}
    if not rest:
        return checked
    frame = _frame(rest)
    if isinstance(frame, dict):
        return checked | frame
    checked["text" if isinstance(frame, str) else "bytes"] = frame
    return checked


def http_payload(content: object) -> Payload:
    """Checks an HTTP response, or a further part of one (``content`` and ``more_content`` only).

    Returns:
        A new map with ``content`` as bytes and ``headers`` as pairs of str.

    Raises:
        MessageError: a key, a value or their combination is not allowed.
    """
    given = _given(content, HTTP_KEYS, "an HTTP response")
    checked: Content = {}
    if "status" in given:
        checked["status"] = status(given["status"], 200)
        checked["headers"] = header_pairs(given.get("headers", ()))
    else:
        _refuse_without(given, ("headers",), "'status', which the first part of a response has")
    body = given.get("content", b"")
    if isinstance(body, str):
        body = utf8(body, "content")
    elif not isinstance(body, (bytes, bytearray, memoryview)):
        raise wrong("content", body, "bytes or str")
    checked["content"] = bounded(bytes(body), "content")
    checked["more_content"] = bool(flag(given, "more_content"))
    return checked


def verdict(payloads: Sequence[Payload]) -> tuple[Content, list[Payload]]:
    """Tells from what a connect handler said to its connection whether the handshake succeeds.

    The first payload with ``accept`` decides. Without one a ``close`` that no frame precedes refuses, as in
    Channels 1.x; anything else, also saying nothing, accepts.

    Args:
        payloads: what `connect_payload` returned, in order.

    Returns:
        The verdict for the wire, and what is to be written once the socket is open (nothing if refused).
    """
    decided = _decide(payloads)
    return decided, without_verdicts(payloads) if decided["accept"] else []


def _decide(payloads: Sequence[Payload]) -> Content:
    frames = False
    closed_at_once = False
    for payload in payloads:
        if isinstance(payload, dict):
            if "accept" in payload:
                return {key: payload[key] for key in VERDICT_KEYS if key in payload}
            says_something = "text" in payload or "bytes" in payload
            closed_at_once = closed_at_once or not (frames or says_something)
        frames = True
    return {"accept": False, "status": REFUSED} if closed_at_once else {"accept": True}


def without_verdicts(payloads: Sequence[Payload]) -> list[Payload]:
    """What a connect handler's payloads hold for the open socket: all but ``accept`` and its company."""
    rest: list[Payload] = []
    for payload in payloads:
        if isinstance(payload, dict) and "accept" in payload:
            frame = {key: value for key, value in payload.items() if key in FRAME_KEYS}
            if not frame:
                continue
            payload = next(iter(frame.values())) if "close" not in frame else frame
        rest.append(payload)
    return rest


def _given(content: object, allowed: Sequence[str], what: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise MessageError(f"message {shown(content)}: {_EXAMPLE}")
    for key in content:
        if key not in allowed:
            raise MessageError(_unknown_key(key, allowed, what))
    # "close": False says as little as None does (Channels 1.x consumers send it).
    given = {
        key: value
        for key, value in content.items()
        if value is not None and not (key == "close" and value is False)
    }
    if not given:
        raise MessageError(f"message {shown(content)} says nothing: {_EXAMPLE}")
    return given


def _unknown_key(key: object, allowed: Collection[str], what: str) -> str:
    near = difflib.get_close_matches(key, allowed, 1) if isinstance(key, str) else []
    if near:
        return f"message key {key!r} is unknown in {what}: did you mean {near[0]!r}?"
    expected = f"this is {what}: expected {', '.join(allowed)}"
    if key in HTTP_KEYS:
        return f"message key {key!r} belongs to an HTTP response, {expected}"
    if key in VERDICT_KEYS:
        return f"message key {key!r} belongs to the answer of a websocket.connect handler, {expected}"
    if key in FRAME_KEYS:
        return f"message key {key!r} belongs to a WebSocket message, {expected}"
    return f"message key {key!r} is unknown, {expected}"


def _frame(given: dict[str, Any]) -> Payload:
    if "close" not in given:
        _refuse_without(given, ("reason",), "'close'")
        return frame_data(given)
    checked: Content = {}
    if "text" in given or "bytes" in given:
        data = frame_data(given)
        checked["text" if isinstance(data, str) else "bytes"] = data
    checked["close"] = close_code(given["close"])
    if "reason" in given:
        checked["reason"] = close_reason(given["reason"])
    return checked


def _refuse_without(given: dict[str, Any], keys: Sequence[str], needed: str) -> None:
    for key in keys:
        if key in given:
            raise MessageError(f"message key {key!r} goes only together with {needed}")

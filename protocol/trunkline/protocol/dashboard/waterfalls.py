"""The sampled messages of all interface servers: each keeps its own, and tells them at ``/waterfall``."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import aiohttp

from .shown import NAME

TIMEOUT_S: Final = 2.0
"""An interface server that does not answer within this keeps its messages to itself this time."""
MAX_ANSWER_BYTES: Final = 1024 * 1024
"""Of one interface server. A larger answer is left out."""
AT_ONCE: Final = 8
"""Interface servers that are asked in one look, in turns where there are more: each answer has to be read by the event
loop that serves sockets."""
SHOWN: Final = 64
"""Messages that go to the page."""

_MOMENTS: Final = ("published", "picked_up", "handling", "handled", "committed", "written")
_TEXTS: Final = ("channel", "path", "route", "worker", "outcome", "at")


class Waterfalls:
    """Asks the interface servers; of those that it did not ask or that did not answer it shows what they told last."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._told: dict[str, list[dict[str, Any]]] = {}
        self._turn = 0

    async def messages(self, admins: Mapping[str, str]) -> list[dict[str, Any]]:
        """The newest messages.

        Args:
            admins: interface id to ``host:port`` of its admin server.
        """
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        session, asked = self._session, self._asked(sorted(admins))
        answers = await asyncio.gather(*(_ask(session, admins[interface]) for interface in asked))
        told = {interface: self._told[interface] for interface in admins if interface in self._told}
        for interface, answer in zip(asked, answers, strict=True):
            if answer is not None:
                told[interface] = read(interface, answer)
        self._told = told
        every = [message for messages in told.values() for message in messages]
        return sorted(every, key=lambda message: message["at"], reverse=True)[:SHOWN]

    def _asked(self, interfaces: Sequence[str]) -> list[str]:
        if len(interfaces) <= AT_ONCE:
            return list(interfaces)
        first, self._turn = self._turn, self._turn + AT_ONCE
        return [interfaces[(first + at) % len(interfaces)] for at in range(AT_ONCE)]

    async def close(self) -> None:
        """Closes the connections. Idempotent."""
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _ask(session: aiohttp.ClientSession, admin: str) -> Any:
    try:
        async with session.get(f"http://{admin}/waterfall") as answer:
            if answer.status != 200:
                return None  # of an older version, or it samples nothing
            body = b""
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    return None
            return json.loads(body)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None


def read(interface: str, answer: object) -> list[dict[str, Any]]:
    """The messages of one answer as the page draws them. What is not in the form of a message is left out.

    A connection's id is not passed on: with the interface's it makes a reply channel, which whoever has it can send to.

    Args:
        interface: who answered.
        answer: what.
    """
    messages = answer.get("messages") if isinstance(answer, dict) else None
    found = [_message(interface, item) for item in messages[:SHOWN]] if isinstance(messages, list) else []
    return [message for message in found if message is not None]


def _message(interface: str, item: object) -> dict[str, Any] | None:
    if not isinstance(item, dict) or not isinstance(item.get("ms"), dict):
        return None
    texts = {name: item.get(name) for name in _TEXTS}
    if not all(isinstance(text, str) for text in texts.values()):
        return None
    moments = {name: item["ms"].get(name) for name in _MOMENTS}
    name = f"{interface} {item.get('id')} {item['at']}".encode("utf-8", "backslashreplace")
    return {
        **{name: str(text)[:NAME] for name, text in texts.items()},
        "id": hashlib.sha256(name).hexdigest()[:16],
        "interface": interface,
        "attempt": _whole(item.get("attempt")),
        "events": _whole(item.get("events")),
        "ms": {name: moment if _is_time(moment) else None for name, moment in moments.items()},
    }


def _whole(value: object) -> int | None:
    return value if type(value) is int else None


def _is_time(value: object) -> bool:
    # Neither infinite nor NaN, nor so large that it could not be drawn.
    return type(value) in (int, float) and 0 <= value < 1e9  # type: ignore[operator]

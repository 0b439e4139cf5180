"""Log levels that change while a process runs: ``GET`` and ``POST /log-level`` of its admin server.

``POST`` takes an object in JSON: ``{"level": "debug", "logger": "trunkline.worker", "for_s": 60}``. Without ``logger``
it is about all that have no level of their own; without ``for_s`` it holds until the process ends; the level
``"setting"`` takes a change back, without ``logger`` all of them. Both answer with what holds now
(`LogLevels.as_json`). Nothing of it outlives the process: the next one begins with its setting.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from aiohttp import web

from .admin import Handler
from .logs import level_number

log = logging.getLogger(__name__)

LEVELS = ("debug", "info", "warning", "error")
SETTING = "setting"
"""The level that takes a change back."""
MAX_FOR_S = 86_400.0
MAX_LOGGERS = 100
"""Loggers that may have a level of their own at one time; `logging` never forgets a name."""
MAX_BODY_BYTES = 4096

_LOGGER = re.compile(r"[A-Za-z0-9_][\w.-]{0,199}", re.ASCII)
_KEYS = frozenset(("level", "logger", "for_s"))


class Change(NamedTuple):
    """What somebody asks for.

    Attributes:
        level: one of `LEVELS`, or `SETTING`.
        logger: whose; empty for all that have none of their own.
        for_s: seconds until it is taken back; None for never.
    """

    level: str
    logger: str = ""
    for_s: float | None = None


def read_change(body: object) -> Change:
    """Checks what was asked for.

    Raises:
        ValueError: it is no such thing; the text says what was expected.
    """
    if not isinstance(body, dict):
        raise ValueError('expected an object such as {"level": "debug", "for_s": 60}')
    unknown = sorted(map(str, body.keys() - _KEYS))
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r:.80}: expected level, logger and for_s")
    level, logger, for_s = body.get("level"), body.get("logger", ""), body.get("for_s")
    if not isinstance(level, str) or level.lower() not in (*LEVELS, SETTING):
        raise ValueError(
            f"level {level!r:.80}: expected {', '.join(LEVELS)}, or {SETTING} to take a change back"
        )
    if logger != "" and not (isinstance(logger, str) and _LOGGER.fullmatch(logger)):
        raise ValueError(f"logger {logger!r:.80}: expected the name of a logger, such as trunkline.worker")
    if for_s is not None and not (type(for_s) in (int, float) and 0 < for_s <= MAX_FOR_S):
        raise ValueError(f"for_s {for_s!r:.80}: expected seconds above 0, up to {MAX_FOR_S:.0f}")
    if for_s is not None and level.lower() == SETTING:
        raise ValueError(f"for_s: level {SETTING!r} takes a change back for good; expected one of the two")
    return Change(level.lower(), logger, None if for_s is None else float(for_s))


class _Changed(NamedTuple):
    """A change that holds.

    Attributes:
        before: the level to go back to.
        until_s: Unix time when it is taken back; None for never.
        timer: takes it back.
    """

    before: int
    until_s: float | None
    timer: asyncio.TimerHandle | None


class LogLevels:
    """The levels of this process.

    Args:
        setting: the level that it was started with.
    """

    def __init__(self, setting: str) -> None:
        self._setting = setting
        self._changed: dict[str, _Changed] = {}

    def change(self, change: Change) -> None:
        """Does what was asked for. Called on the event loop.

        Raises:
            ValueError: too many loggers have levels of their own.
        """
        name, known = change.logger, self._changed.get(change.logger)
        if change.level == SETTING:
            for changed in [name] if name else list(self._changed):
                self._take_back(changed)
            return
        if known is None and len(self._changed) > MAX_LOGGERS:
            raise ValueError(
                f"{MAX_LOGGERS} loggers have levels of their own already; take some of them back"
            )
        if known is not None and known.timer is not None:
            known.timer.cancel()
        logger = logging.getLogger(name)
        before = logger.level if known is None else known.before
        timer = until_s = None
        if change.for_s is not None:
            until_s = time.time() + change.for_s
            timer = asyncio.get_running_loop().call_later(change.for_s, self._take_back, name)
        self._changed[name] = _Changed(before, until_s, timer)
        # Said at whichever level: it explains why lines come, or do not.
        _announce("log level changed logger=%s level=%s for_s=%s", name or "root", change.level, change.for_s)
        logger.setLevel(level_number(change.level))

    def _take_back(self, name: str) -> None:
        changed = self._changed.pop(name, None)
        if changed is None:
            return
        if changed.timer is not None:
            changed.timer.cancel()
        logging.getLogger(name).setLevel(changed.before)
        _announce("log level is as its setting again logger=%s", name or "root")

    def as_json(self) -> dict[str, Any]:
        """What holds now: ``level`` of all that have none of their own, the ``setting``, until when (Unix time
        ``until_s``, or null), and the ``loggers`` that were changed, each with ``level`` and ``until_s``."""
        root = self._changed.get("")
        return {
            "level": _name(logging.getLogger().level),
            "setting": self._setting,
            "until_s": root.until_s if root is not None else None,
            "loggers": {
                name: {"level": _name(logging.getLogger(name).level), "until_s": changed.until_s}
                for name, changed in sorted(self._changed.items())
                if name
            },
        }


def _name(level: int) -> str:
    return logging.getLevelName(level).lower()


def _announce(text: str, *args: object) -> None:
    """Logs a line past all levels: a warning in rank, for no handler of ours has a level of its own."""
    record = log.makeRecord(log.name, logging.WARNING, __file__, 0, text, args, None)
    log.handle(record)


def log_level_routes(setting: str) -> Mapping[str, Handler]:
    """Routes for an `AdminServer`.

    Args:
        setting: the level that this process was started with.
    """
    levels = LogLevels(setting)

    async def show(request: web.Request) -> web.Response:
        return web.json_response(levels.as_json())

    async def change(request: web.Request) -> web.Response:
        refusal = _refuse(request)
        if refusal is not None:
            return refusal
        try:
            levels.change(read_change(json.loads(await request.read())))
        except ValueError as error:  # also what is no JSON
            return web.Response(status=400, text=f"{error}\n")
        return web.json_response(levels.as_json())

    return {"/log-level": show, "POST /log-level": change}


def _refuse(request: web.Request) -> web.Response | None:
    """The admin server has no password, and a page in a browser on this machine can reach its loopback address. It says
    its origin with each such request, and cannot send this type without asking first."""
    if "Origin" in request.headers or request.content_type != "application/json":
        return web.Response(
            status=403, text="expected Content-Type: application/json, and no Origin: not from a page\n"
        )
    if request.content_length is None or request.content_length > MAX_BODY_BYTES:
        return web.Response(status=413, text=f"expected a Content-Length of at most {MAX_BODY_BYTES} bytes\n")
    return None

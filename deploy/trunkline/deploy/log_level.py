"""``trunkline log-level``: changes what processes log, while they run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import aiohttp

from trunkline.protocol.errors import ConfigError, LayerUnavailable
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.messages import LeaseInfo
from trunkline.protocol.process.log_level import read_change

from .cluster import stats_of
from .failures import refuse
from .running import layer_settings
from .settings import LogLevelSettings

VERB = "log-level"
TIMEOUT_S = 5.0
"""What one process may take to answer."""


class Answer(NamedTuple):
    """What a process said.

    Attributes:
        lease: of the process.
        levels: what holds there now; None if it did not do it.
        error: why not, and what to do.
    """

    lease: LeaseInfo
    levels: dict[str, Any] | None
    error: str = ""


def run(settings: LogLevelSettings) -> int:
    """Asks every process that is meant, and says what each answered. It fails if one of them did not do it."""
    body: dict[str, Any] = {"level": settings.level, "logger": settings.logger, "for_s": settings.for_s}
    try:
        read_change(body)
        stats = asyncio.run(stats_of(layer_settings(settings.run_dir, settings)))
    except (ValueError, ConfigError) as error:
        return refuse(VERB, error, ExitCode.USAGE)
    except LayerUnavailable as error:
        return refuse(VERB, error, ExitCode.NO_REDIS)
    everyone = [*stats.interfaces, *stats.workers]
    meant = [lease for lease in everyone if _is_meant(lease, settings)]
    if not meant:
        return refuse(VERB, _nobody(everyone, settings), ExitCode.NOT_RUNNING)
    answers = asyncio.run(ask(meant, body))
    if settings.as_json:
        print(json.dumps([_as_json(answer) for answer in answers], indent=2))
    else:
        print("\n".join(_line(answer, settings) for answer in answers))
    return ExitCode.OK if all(answer.levels is not None for answer in answers) else ExitCode.FAILED


def _is_meant(lease: LeaseInfo, settings: LogLevelSettings) -> bool:
    by_role = settings.role in ("all", lease.role)
    return by_role and settings.process in ("", lease.id, str(lease.pid))


def _nobody(everyone: Sequence[LeaseInfo], settings: LogLevelSettings) -> str:
    if not everyone:
        return "no process of this cluster is alive: nobody holds a lease under this Redis and prefix"
    names = ", ".join(
        f"{lease.id} [{lease.pid}]" for lease in everyone if settings.role in ("all", lease.role)
    )
    if not names:
        return f"--role {settings.role}: no such process is alive"
    return f"--process {settings.process!r}: expected the id or pid of one of {names}"


async def ask(leases: Sequence[LeaseInfo], body: dict[str, Any]) -> list[Answer]:
    """Asks processes to change their levels, all at once.

    Args:
        leases: whom.
        body: see `trunkline.protocol.process.log_level`.
    """
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
        return await asyncio.gather(*(_ask(session, lease, body) for lease in leases))


async def _ask(session: aiohttp.ClientSession, lease: LeaseInfo, body: dict[str, Any]) -> Answer:
    if not lease.admin:
        return Answer(lease, None, "it has no admin server")
    try:
        async with session.post(f"http://{lease.admin}/log-level", json=body) as answer:
            if answer.status == 200:
                return Answer(lease, await answer.json())
            if answer.status in (404, 405):
                return Answer(
                    lease, None, f"its version, {lease.version}, cannot do that; restart it with --log-level"
                )
            return Answer(lease, None, (await answer.text()).strip())
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        reason = str(error) or type(error).__name__
        return Answer(lease, None, f"{lease.admin} on {lease.host} does not answer ({reason}); an admin server on the "
                      "loopback is reached from its own machine alone")  # fmt: skip


def _line(answer: Answer, settings: LogLevelSettings) -> str:
    who = f"{answer.lease.role:9} {answer.lease.id} [{answer.lease.pid}]"
    if answer.levels is None:
        return f"{who}  NOT CHANGED: {answer.error}"
    own = answer.levels["loggers"].get(settings.logger) if settings.logger else None
    level = own["level"] if own is not None else answer.levels["level"]
    whose = f" for {settings.logger}" if own is not None else ""
    until = f", for {settings.for_s:g} s" if settings.for_s is not None else ""
    back = (
        f", as its setting says{f' for {settings.logger}' if settings.logger else ''}"
        if settings.level == "setting"
        else ""
    )
    return f"{who}  {level}{whose}{until}{back}"


def _as_json(answer: Answer) -> dict[str, Any]:
    lease = answer.lease
    return {
        "id": lease.id,
        "role": lease.role,
        "pid": lease.pid,
        "levels": answer.levels,
        "error": answer.error or None,
    }

"""What a Redis says about itself, for people: asked now and then, and as much of it as this user may ask."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from redis.exceptions import ResponseError

from ..names import INTERFACE_CHANNELS, Keys
from ..process.facts.cluster import Inspected
from ..process.facts.servers import ServerFacts, SlowCommand
from ..redis_url import without_secrets
from .refusals import explained
from .scaling import Scaling
from .scripts import SCRIPTS

CONFIG = (
    "appendfsync",
    "appendonly",
    "client-output-buffer-limit",
    "maxclients",
    "maxmemory",
    "maxmemory-policy",
    "save",
    "slowlog-log-slower-than",
    "tcp-backlog",
    "timeout",
)
"""Parameters that matter here. Not all of them: some are passwords."""
SLOW_COMMANDS = 32
POSTED = 8
"""Last entries of a mailbox that are looked at; each may be some megabytes long."""
_WORDS = 3
_WORD_LENGTH = 60


class Inspection:
    """Asks one Redis.

    Args:
        client: of redis-py.
        keys: of the deployment.
        url: of the Redis; it names its user.
    """

    def __init__(self, client: Any, keys: Keys, url: str) -> None:
        self._client = client
        self._keys = keys
        self._url = url
        self._unseen: list[str] = []

    async def look(self, deep: bool) -> Inspected:
        """See `process.facts.gatherer.Inspects.inspect`.

        Raises:
            RedisError, OSError: Redis does not answer, or refuses what every command about a cluster needs.
        """
        self._unseen = []
        lacking = await self._lacking() if deep else ()
        config = await self._config() if deep else {}
        slow = await self._slow() if deep else ()
        clients = await self._clients() if deep else {}
        asked_s, began_s = time.time(), time.monotonic()
        seconds, microseconds = await self._client.time()
        took_s = time.monotonic() - began_s
        now_s = seconds + microseconds / 1e6
        info = await self._client.info("all")
        leases = await self._leases(now_s)
        server = ServerFacts(
            name=without_secrets(self._url),
            info=info,
            config=config,
            slow=slow,
            clients=clients,
            at_s=time.monotonic(),
            clock_off_s=now_s - (asked_s + took_s / 2),
            round_trip_s=took_s,
            lacking=lacking,
            leases=leases,
            local=is_local(_parameters(self._client)),
        )
        waits_s = await self._waits_s()
        posted = await self._posted(leases) if deep else ()
        return Inspected((_with_unseen(server, self._unseen),), waits_s, posted)

    async def _leases(self, now_s: float) -> dict[str, float]:
        found: dict[str, float] = {}
        for role in ("interface", "worker"):
            ends = await self._client.zrange(self._keys.leases(role), 0, -1, withscores=True)
            found |= {name.decode("utf-8", "replace"): end_ms / 1000 - now_s for name, end_ms in ends}
        return found

    async def _waits_s(self) -> dict[str, float]:
        known = {name.decode("utf-8", "replace") for name in await self._client.smembers(self._keys.channels)}
        try:
            return await Scaling(self._client, self._keys).waits_s(sorted(known | set(INTERFACE_CHANNELS)))
        except ResponseError as error:
            self._unseen.append(f"how long entries wait: {explained(error, self._url)}")
            return {}

    async def _posted(self, leases: Mapping[str, float]) -> tuple[bytes, ...]:
        found: list[bytes] = []
        for name in leases:
            if name.startswith("i"):
                entries = await self._client.xrevrange(self._keys.mailbox(name), count=POSTED)
                found += [fields[b"b"] for _, fields in entries if b"b" in fields]
        return tuple(found)

    # ---- what a user may be forbidden ----

    async def _lacking(self) -> tuple[str, ...]:
        try:
            found = await self._client.eval(
                SCRIPTS["rights"].text, 1, self._keys.scratch, self._keys.consumer_group
            )
        except ResponseError as error:
            self._unseen.append(f"which commands are allowed: {explained(error, self._url)}")
            return ()
        return tuple(name.decode() for name in found)

    async def _config(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in CONFIG:
            answer = await self._allowed("the configuration", "CONFIG GET", name)
            if answer is None:
                break
            found |= _pairs(answer)
        return found

    async def _slow(self) -> tuple[SlowCommand, ...]:
        answer = await self._allowed("slow commands", "SLOWLOG GET", str(SLOW_COMMANDS))
        return tuple(_slow_command(item) for item in answer or ())

    async def _clients(self) -> dict[str, int]:
        answer = await self._allowed("the clients' buffers", "CLIENT LIST")
        most: dict[str, int] = {}
        for item in answer or ():
            name = str(item.get("name") or "")
            most[name] = max(most.get(name, 0), int(item.get("omem", 0)))
        return most

    async def _allowed(self, what: str, *command: str) -> Any:
        """The answer; None if this user may not ask, or the command has another name there. A command of two words is
        one here: so redis-py knows how to read its answer."""
        try:
            return await self._client.execute_command(*command)
        except ResponseError as error:
            self._unseen.append(f"{what} ({command[0]}): {explained(error, self._url)}")
            return None


def is_local(connection: Mapping[str, Any]) -> bool:
    """Whether a connection with these parameters stays on this machine."""
    host = str(connection.get("host") or "")
    return bool(connection.get("path")) or host in ("localhost", "::1") or host.startswith("127.")


def _parameters(client: Any) -> Mapping[str, Any]:
    """Of the client's connections; none if it has those of several servers."""
    pool = getattr(client, "connection_pool", None)
    return getattr(pool, "connection_kwargs", {})


def _with_unseen(server: ServerFacts, unseen: Sequence[str]) -> ServerFacts:
    return replace(server, unseen=tuple(unseen))


def _pairs(answer: Any) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in answer.items()}


def _slow_command(item: Any) -> SlowCommand:
    words = _text(item["command"]).split(" ")
    scripts = {script.sha: script.name for script in SCRIPTS.values()}
    # A script's arguments are messages of users, and its text is long.
    if words[0].upper() == "EVALSHA":
        words = [words[0], f"{scripts.get(words[1], words[1])}.lua"]
    elif words[0].upper() == "EVAL":
        words = [words[0], "a script"]
    shown = " ".join(word[:_WORD_LENGTH] for word in words[:_WORDS])
    return SlowCommand(float(item["start_time"]), item["duration"] / 1e6, shown)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

"""The Sentinels of a Redis: asked on each new connection where its primary is now.

As https://redis.io/docs/latest/develop/reference/sentinel-clients/ wants it: one after the other until one answers,
that one first the next time, and what it tells is believed only if the Redis there says that it is a primary itself
(see `connections`).
"""

from __future__ import annotations

import logging
from typing import Any

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from ..errors import LayerUnavailable
from ..redis_layout import BySentinel
from ..redis_parts import Address

log = logging.getLogger(__name__)

TIMEOUT_S = 1.0
"""Of a connection to a Sentinel, and of its answer: the next one knows as well."""


class Sentinels:
    """Asks the Sentinels of one Redis; each asker has its own.

    Args:
        place: who they are, and whom they watch.

    Attributes:
        primary: where it was when they were last asked; None before.
    """

    __slots__ = ("_order", "_place", "primary")

    def __init__(self, place: BySentinel) -> None:
        self._place = place
        self._order = list(place.sentinels)
        self.primary: Address | None = None

    def find(self) -> Address:
        """Where the primary is; blocks for at most two seconds a Sentinel.

        Raises:
            LayerUnavailable: none of them tells; the text says why, of each.
        """
        reasons: list[str] = []
        for sentinel in tuple(self._order):
            try:
                with redis.Redis.from_url(self._place.sentinel(sentinel), **_options()) as client:
                    answer: Any = client.execute_command(*self._question)
            except (RedisError, OSError) as error:
                reasons.append(f"{sentinel}: {error}")
            else:
                if self._note(sentinel, answer, reasons):
                    break
        return self._told(reasons)

    async def find_soon(self) -> Address:
        """As `find`, without blocking."""
        reasons: list[str] = []
        for sentinel in tuple(self._order):
            try:
                url = self._place.sentinel(sentinel)
                async with redis.asyncio.Redis.from_url(url, **_options()) as client:
                    ask: Any = client.execute_command  # redis-py declares no types for it
                    answer: Any = await ask(*self._question)
            except (RedisError, OSError, RuntimeError) as error:
                # RuntimeError is what uvloop makes of a connection that was reset (see `Link`).
                reasons.append(f"{sentinel}: {error}")
            else:
                if self._note(sentinel, answer, reasons):
                    break
        return self._told(reasons)

    def doubt(self) -> None:
        """What was told last is no primary that answers: another Sentinel may know better, and is asked first."""
        self._order.append(self._order.pop(0))

    @property
    def _question(self) -> tuple[str, ...]:
        return ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._place.service)

    def _note(self, sentinel: Address, answer: Any, reasons: list[str]) -> bool:
        """Whether a Sentinel knows the primary."""
        if answer is None:
            reasons.append(f"{sentinel}: it watches no such service")
            return False
        host, port = answer
        found = Address(host.decode(), int(port))
        if found != self.primary:
            log.info(
                "redis service=%s primary is at %s, says Sentinel %s", self._place.service, found, sentinel
            )
        self.primary = found
        self._order.remove(sentinel)
        self._order.insert(0, sentinel)
        reasons.clear()
        return True

    def _told(self, reasons: list[str]) -> Address:
        if reasons or self.primary is None:
            raise LayerUnavailable(
                f"no Sentinel tells where the Redis {self._place.service!r} is: {'; '.join(reasons)}"
            )
        return self.primary


def _options() -> dict[str, Any]:
    return {
        "protocol": 2,
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
    }

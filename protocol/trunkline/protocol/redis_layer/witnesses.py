"""Who knows where a Redis is: asked one after the other until one answers, and that one first the next time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from ..errors import LayerUnavailable
from ..redis_parts import Address

TIMEOUT_S = 1.0
"""Of a connection to one of them, and of its answer: the next one knows as well."""


class Witnesses(ABC):
    """Asks them; each asker has its own.

    Args:
        known: who may be asked, first those that are asked first.

    Attributes:
        primary: where it was when they were last asked; None before.
    """

    __slots__ = ("_order", "primary")

    def __init__(self, known: Iterable[Address]) -> None:
        self._order = list(known)
        self.primary: Address | None = None

    # ---- what differs ----

    @property
    @abstractmethod
    def _question(self) -> tuple[str, ...]:
        """The command."""

    @abstractmethod
    def _url(self, witness: Address) -> str:
        """Where one of them is."""

    @abstractmethod
    def _read(self, witness: Address, answer: Any) -> Address | str:
        """The primary that an answer tells, or why it tells none."""

    @abstractmethod
    def _nobody(self) -> str:
        """That none of them tells, in words."""

    @abstractmethod
    def _moved(self, witness: Address, primary: Address) -> None:
        """Says that the primary is another than before."""

    # ---- asking ----

    def find(self) -> Address:
        """Where the primary is; blocks for at most two seconds each.

        Raises:
            LayerUnavailable: none of them tells; the text says why, of each.
        """
        reasons: list[str] = []
        for witness in tuple(self._order):
            try:
                with redis.Redis.from_url(self._url(witness), **_options()) as client:
                    answer: Any = client.execute_command(*self._question)
            except (RedisError, OSError) as error:
                reasons.append(f"{witness}: {error}")
            else:
                if self._note(witness, answer, reasons):
                    break
        return self._told(reasons)

    async def find_soon(self) -> Address:
        """As `find`, without blocking."""
        reasons: list[str] = []
        for witness in tuple(self._order):
            try:
                async with redis.asyncio.Redis.from_url(self._url(witness), **_options()) as client:
                    ask: Any = client.execute_command  # redis-py declares no types for it
                    answer: Any = await ask(*self._question)
            except (RedisError, OSError, RuntimeError) as error:
                # RuntimeError is what uvloop makes of a connection that was reset (see `Link`).
                reasons.append(f"{witness}: {error}")
            else:
                if self._note(witness, answer, reasons):
                    break
        return self._told(reasons)

    def doubt(self) -> None:
        """What was told last is no primary that answers: another one may know better, and is asked first."""
        self._order.append(self._order.pop(0))

    def _note(self, witness: Address, answer: Any, reasons: list[str]) -> bool:
        found = self._read(witness, answer)
        if isinstance(found, str):
            reasons.append(f"{witness}: {found}")
            return False
        if found != self.primary:
            self._moved(witness, found)
        self.primary = found
        self._order.remove(witness)
        self._order.insert(0, witness)
        reasons.clear()
        return True

    def _told(self, reasons: list[str]) -> Address:
        if reasons or self.primary is None:
            raise LayerUnavailable(f"{self._nobody()}: {'; '.join(reasons)}")
        return self.primary


def _options() -> dict[str, Any]:
    return {
        "protocol": 2,
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
    }

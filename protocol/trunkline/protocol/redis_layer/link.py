"""A connection that comes back: made by redis-py, driven by a `Wire`, made again with back-off when it is lost."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import hiredis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from ..errors import LayerClosed, LayerUnavailable
from ..redis_layout import Place
from . import connections
from .refusals import explained
from .scripts import SCRIPTS, Script
from .wire import Answer, Callback, Wire

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 2.0
READY_TIMEOUT_S = 10.0
"""From the first packet to the end of `on_up`; a Redis that accepts but does not answer must not hold us for ever."""
FIRST_BACKOFF_S = 0.05
LAST_BACKOFF_S = 1.0


class Link:
    """A hot connection with a life of its own.

    Args:
        place: where Redis is; TLS, AUTH and database are redis-py's to see to.
        name: for CLIENT LIST and logs.
        on_up: awaited whenever a new connection is ready, before anything else is sent on it; if it raises, the
            connection counts as lost.
        on_down: called whenever the connection is gone.

    Attributes:
        scripts: that Redis knows on this connection.
    """

    scripts: Mapping[str, Script] = SCRIPTS

    def __init__(
        self,
        place: Place,
        name: str,
        on_up: Callable[[], Awaitable[None]],
        on_down: Callable[[], None],
    ) -> None:
        self._pool = connections.pool(
            place,
            protocol=2,
            client_name=name,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            socket_timeout=CONNECT_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._url = place.url
        self._name = name
        self._on_up = on_up
        self._on_down = on_down
        self._wire: Wire | None = None
        self._made: Any = None  # redis-py's connection; its writer must outlive the wire
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False
        self._lost = asyncio.Event()
        self._failures = 0
        self._up_since_s = 0.0

    @property
    def up(self) -> bool:
        """Whether calls can be sent."""
        return self._wire is not None

    @property
    def oldest(self) -> Callback | None:
        """The callback of the call that has waited longest for its answer; None if none waits."""
        return self._wire.oldest if self._wire is not None else None

    async def open(self) -> None:
        """Connects, then keeps the connection.

        Raises:
            LayerUnavailable: the first attempt failed; the text says why.
        """
        await self._connect()
        self._keeper = asyncio.create_task(self._keep(), name=f"redis link {self._name}")

    def call(self, command: Sequence[str | bytes | int], callback: Callback) -> bool:
        """Sends a command if the link is up; False (and nothing sent) if it is not."""
        if self._wire is None:
            return False
        self._wire.call(command, callback)
        return True

    def send(self, packed: bytes, callback: Callback) -> bool:
        """As `call`, of a command that was packed before (`packing.pack`)."""
        if self._wire is None:
            return False
        self._wire.send(packed, callback)
        return True

    async def ask(self, command: Sequence[str | bytes | int]) -> Answer:
        """Sends a command and waits for its answer. Cancelling stops the waiting, not the command.

        Raises:
            LayerUnavailable: the link is down, goes down, or Redis answers with an error.
        """
        wire = self._wire
        if wire is None:
            raise LayerUnavailable(f"{self._name}: no connection to Redis")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        lost = asyncio.ensure_future(self._lost.wait())
        wire.call(command, answer.set_result)
        try:
            await asyncio.wait((answer, lost), return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()
        # Also if the answer came just before the loss: who goes on as if the connection were there would send on the
        # next one, ahead of what waits.
        if not answer.done() or self._wire is not wire:
            raise LayerUnavailable(f"{self._name}: lost the connection to Redis")
        if isinstance(answer.result(), hiredis.ReplyError):
            raise LayerUnavailable(
                f"{self._name}: Redis answers: {explained(answer.result(), self._url, command)}"
            )
        return answer.result()

    def reset(self, reason: object) -> None:
        """Drops the connection and makes a new one, with back-off: its answers cannot be worked with."""
        log.warning("redis link=%s starts over: %s", self._name, explained(reason, self._url))
        if self._wire is not None:
            self._wire.close()

    async def close(self) -> None:
        """Ends the link. Idempotent."""
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        if self._wire is not None:
            self._wire.close()
            await self._lost.wait()

    async def _connect(self) -> None:
        if self._closed:
            raise LayerClosed(f"{self._name} is closed")
        made: Any = self._pool.make_connection()
        try:
            await made.connect()
        except (RedisError, OSError, RuntimeError) as error:
            # RuntimeError is what uvloop raises if the connection is reset between two of redis-py's first writes.
            made._close()  # half made; nobody else knows of it
            raise LayerUnavailable(f"cannot reach Redis: {explained(error, self._url)}") from error
        except (LayerUnavailable, asyncio.CancelledError):
            made._close()
            raise
        self._made = made
        self._lost.clear()
        # redis-py offers no public way to take a connection's transport over.
        transport: asyncio.Transport = made._writer.transport
        self._wire = Wire(transport, self._connection_lost)
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                for script in self.scripts.values():
                    await self.ask(["SCRIPT", "LOAD", script.text])
                await self._on_up()
        except (LayerUnavailable, TimeoutError) as error:
            if self._wire is not None:
                self._wire.close()
                await self._lost.wait()
            raise LayerUnavailable(str(error) or "Redis accepts connections but does not answer") from error
        except Exception:
            self.reset("a fault of ours while it came up")
            raise
        self._up_since_s = asyncio.get_running_loop().time()

    def _connection_lost(self) -> None:
        self._wire = None
        self._made._close()  # closes its writer without waiting for a protocol that is no longer there
        self._made = None
        self._lost.set()
        self._on_down()

    async def _keep(self) -> None:
        while not self._closed:
            await self._lost.wait()
            # One that is lost as soon as it is made (Redis refuses our calls) must not be made again at once.
            if asyncio.get_running_loop().time() - self._up_since_s > LAST_BACKOFF_S:
                self._failures = 0
            self._up_since_s = math.inf  # an attempt that fails has not lasted: the pauses grow
            if self._failures:
                backoff_s = min(LAST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(self._failures, 10))
                await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))
            self._failures += 1
            try:
                await self._connect()
            except LayerClosed:
                return
            except LayerUnavailable as error:
                if self._failures in (1, 5) or self._failures % 30 == 0:
                    log.warning("redis link=%s attempt=%d failed: %s", self._name, self._failures, error)
            except Exception:
                # Of whoever was told that the link is up. The link must outlive it: without one nothing comes back.
                log.exception("redis link=%s attempt=%d failed", self._name, self._failures)
            else:
                log.info("redis link=%s is back", self._name)

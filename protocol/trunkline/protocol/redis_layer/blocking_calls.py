"""Calls that a thread makes one after the other, over a connection of its own.

It is made by redis-py, which sees to TLS, AUTH and Sentinel, and then spoken to directly: a call through redis-py's
client takes its connection out of the pool, asks the kernel whether it still stands, and runs within retries, which
costs four times as much. That is a tenth of all that an idle worker does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

from .packing import pack


class BlockingCalls:
    """The calls of one thread.

    Args:
        client: makes the connection when it is first needed, and again whenever it was lost.
    """

    __slots__ = ("_connection", "_pool")

    def __init__(self, client: redis.Redis) -> None:
        self._pool = client.connection_pool
        self._connection: Any = None  # redis-py declares no types where we take a connection out of a pool

    def ask(self, command: Sequence[str | bytes | int]) -> Any:
        """Sends a command and waits for its answer.

        Raises:
            RedisError: Redis answers with an error, or the connection is lost before the answer is there: then nobody
                knows whether it was done, and the next call makes another.
            OSError: as for `RedisError`, where redis-py lets it through.
        """
        if self._connection is None:
            self._connection = self._pool.get_connection()
        connection = self._connection
        connection.send_packed_command([pack(command)])
        return connection.read_response()

    def close(self) -> None:
        """Ends the connection. Idempotent; another call makes a new one."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.disconnect()
            self._pool.release(connection)

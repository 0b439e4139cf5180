"""Plain redis-py, for what is asked now and then: how its connections are made, and what uvloop adds to its errors."""

from __future__ import annotations

import redis.asyncio

from ..errors import LayerUnavailable
from ..settings import LayerSettings


def plain_client(settings: LayerSettings, name: str, timeout_s: float) -> redis.asyncio.Redis:
    """A client that connects when it is first asked.

    Args:
        settings: where Redis is.
        name: for CLIENT LIST.
        timeout_s: of a connection to be made, and of each answer.
    """
    return redis.asyncio.Redis.from_url(
        settings.redis_url,
        protocol=2,
        client_name=name,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
    )


async def was_reset(client: redis.asyncio.Redis, error: RuntimeError) -> LayerUnavailable:
    """What to raise for the `RuntimeError` that uvloop raises of a connection that was reset and that redis-py does not
    know to be gone. It would find that connection in its pool again, for ever: so the pool lets go of all it has."""
    await client.connection_pool.disconnect()
    return LayerUnavailable(f"the connection to Redis was reset: {error}")

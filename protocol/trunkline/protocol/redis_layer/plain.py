"""Plain redis-py, for what is asked now and then: what uvloop adds to its errors."""

from __future__ import annotations

import redis.asyncio

from ..errors import LayerUnavailable


async def was_reset(client: redis.asyncio.Redis, error: RuntimeError) -> LayerUnavailable:
    """What to raise for the `RuntimeError` that uvloop raises of a connection that was reset and that redis-py does not
    know to be gone. It would find that connection in its pool again, for ever: so the pool lets go of all it has."""
    await client.connection_pool.disconnect()
    return LayerUnavailable(f"the connection to Redis was reset: {error}")

"""Sends from outside any handler: a web application, a script, a shell. Synchronous, one call a batch."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import cast

from redis.exceptions import RedisError

from ..errors import LayerUnavailable
from ..messages import Effect
from ..names import Keys
from ..settings import LayerSettings
from . import connections
from .commit_call import SESSION_TTL_MS, flatten
from .refusals import explained
from .scripts import scripts_of

TIMEOUT_S = 5.0


class RedisSender:
    """Applies effects at once.

    Args:
        settings: where Redis is.
        shard: that is there.
    """

    def __init__(self, settings: LayerSettings, shard: int = 0) -> None:
        self._settings = settings
        self._shard = shard
        self._keys = Keys(settings.prefix, shard)
        self._place = settings.places[shard]
        self._redis = connections.blocking_client(self._place, "trunkline-sender", TIMEOUT_S)

    def apply(self, effects: Sequence[Effect]) -> None:
        """Applies effects in one script: all of them or none.

        Raises:
            LayerUnavailable: Redis does not answer. If the connection broke after the call was sent, the effects may
                have been applied all the same: nothing tells a call that was lost from an answer that was.
        """
        settings, scripts = self._settings, scripts_of(self._place)
        args = [
            self._keys.base, settings.capacity, settings.mailbox_capacity, settings.dead_capacity, SESSION_TTL_MS,
            "", self._keys.consumer_group, "", f"outside.{secrets.token_hex(8)}", len(effects), *flatten(effects),
        ]  # fmt: skip
        try:
            with self._redis.pipeline(transaction=False) as calls:
                calls.eval(scripts["arrive"].text, 1, self._keys.stood, self._keys.base, "")
                calls.eval(scripts["apply"].text, 1, self._keys.epoch, *args)
                calls.execute()
        except (RedisError, OSError) as error:
            raise LayerUnavailable(f"cannot send: {explained(error, self._place.url)}") from error

    def answers(self) -> bool:
        """Whether the shard can be reached now, and newcomers use it: then every interface server reads its mailbox
        there."""
        try:
            used = cast("bytes | None", self._redis.hget(self._keys.layout, "used"))
        except (RedisError, OSError):
            return False
        return used is not None and int(used) > self._shard

    def close(self) -> None:
        """Closes the connection. Idempotent."""
        self._redis.close()

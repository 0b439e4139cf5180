"""Sending from outside a handler: from a web application, a script, a shell."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from trunkline.protocol.errors import ConfigError, MessageError
from trunkline.protocol.redis_layer import shards
from trunkline.protocol.settings import LayerSettings, parse

from .outbox import CURRENT, Outbox


@contextmanager
def outside(redis_url: str | None = None, prefix: str | None = None) -> Iterator[None]:
    """Makes `Group(...)`, `Channel(...)` and reply channels usable outside a handler.

    ::

        with outside("redis://127.0.0.1:6379/0"):
            Group("news").send({"text": "hello"})

    What is sent within goes out at its end, in one call and in order; nothing does if the block raises.

    Args:
        redis_url: where the cluster's Redis is; ``TRUNKLINE_REDIS_URL`` if not given.
        prefix: of the deployment's keys; ``TRUNKLINE_PREFIX``, or ``trunkline``, if not given.

    Raises:
        ConfigError: a value is wrong.
        MessageError: used within a handler, whose own sends are buffered anyway; at the end: it is too much at once.
        LayerUnavailable: at the end: Redis does not answer.
    """
    around = CURRENT.get(None)
    # What a handler has started may outlive it, and then has an outbox that goes nowhere.
    if around is not None and around.hooks is not None:
        raise MessageError("outside() inside a handler: send directly, it goes out when the handler ends")
    given = {"--redis-url": redis_url or os.environ.get("TRUNKLINE_REDIS_URL"), "--prefix": prefix}
    flags = [text for flag, value in given.items() if value is not None for text in (flag, value)]
    try:
        settings = parse(LayerSettings, flags, "outside()")
    except ConfigError as error:
        raise ConfigError(f"outside(): {error}") from error
    sender = shards.sender(settings)
    outbox = Outbox(None, 0)
    token = CURRENT.set(outbox)
    try:
        yield
        outbox.check_size()
        effects = outbox.release()
        if effects:
            sender.apply(effects)
    finally:
        CURRENT.reset(token)
        sender.close()

"""The Redis layer. The only package that imports redis.

``wire`` (bytes out, answers in) and ``link`` (comes back by itself) are the connection; ``scripts`` is what Redis runs;
``interface_side``, ``worker_side`` and ``operator_side`` keep the contract of `trunkline.protocol.layer`.

An interface server's side is made of ``standing`` (what it is registered as), ``publishing``, ``mailbox_reading``,
``joining`` (groups entered by itself), ``recovery`` and ``waking`` (whether it slept); a worker's of ``calls``,
``reading``, ``takeover``, ``deliveries`` and ``lease_thread``. Both have ``silence`` (whether Redis is away) and
``faults`` (what nobody expected). ``shards`` makes each side as settings name it, of one Redis or of several.
"""

from __future__ import annotations

from . import shards
from .interface_side import RedisInterfaceLayer
from .operator_side import RedisOperatorLayer
from .sender import RedisSender
from .worker_side import RedisWorkerLayer

__all__ = ["RedisInterfaceLayer", "RedisOperatorLayer", "RedisSender", "RedisWorkerLayer", "shards"]

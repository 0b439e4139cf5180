"""Several shards as one: the sides of workers, operators and senders over the same sides of each shard.

Of an interface server's side there is none: it has one `InterfaceLayer` a shard and knows which connection lives on
which. All is written against the contract of a layer, and does no I/O of its own.
"""

from __future__ import annotations

from .operator import ShardedOperatorLayer
from .sender import ShardedSender
from .waits import sharded_waits
from .worker import ShardedWorkerLayer

__all__ = ["ShardedOperatorLayer", "ShardedSender", "ShardedWorkerLayer", "sharded_waits"]

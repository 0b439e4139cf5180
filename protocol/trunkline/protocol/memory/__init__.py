"""The in-memory layer: one process, one event loop, no Redis. For development and users' tests.

Read `bus` first (what is shared), then `effects` (what a commit does), then the three sides: `interface`,
`worker`, `operator`. The rest are the shelves of the bus, each pure and without a loop: `streams`,
`registry`, `mailbox`, `groups`, `sessions`, `delayed`, `dead_letters`.
"""

from __future__ import annotations

from .bus import MemoryBus
from .interface import MemoryInterfaceLayer
from .operator import MemoryOperatorLayer
from .worker import MemoryWorkerLayer

__all__ = ["MemoryBus", "MemoryInterfaceLayer", "MemoryOperatorLayer", "MemoryWorkerLayer"]

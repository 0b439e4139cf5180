"""The nodes of a Redis Cluster: asked on each new connection which of them is the primary of a slot now.

Any node knows (``CLUSTER SLOTS``), though one may know late: what it tells is believed only if the Redis there says
that it is a primary itself (see `connections`), and it refuses what is not its own with ``MOVED``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from ..errors import LayerUnavailable
from ..redis_layout import BySlot
from ..redis_parts import Address

log = logging.getLogger(__name__)

TIMEOUT_S = 1.0
"""Of a connection to a node, and of its answer: the next one knows as well."""
_QUESTION = ["CLUSTER", "SLOTS"]


class ClusterNodes:
    """Asks the nodes of a cluster for one slot; each asker has its own.

    Args:
        place: which slot, and some of the nodes.

    Attributes:
        primary: where it was when they were last asked; None before.
    """

    __slots__ = ("_order", "_place", "primary")

    def __init__(self, place: BySlot) -> None:
        self._place = place
        self._order = list(place.cluster.nodes)
        self.primary: Address | None = None

    def find(self) -> Address:
        """Where the primary is; blocks for at most two seconds a node.

        Raises:
            LayerUnavailable: none of them tells; the text says why, of each.
        """
        reasons: list[str] = []
        for node in tuple(self._order):
            try:
                with redis.Redis.from_url(self._place.at(node), **_options()) as client:
                    answer: Any = client.execute_command(*_QUESTION)
            except (RedisError, OSError) as error:
                reasons.append(f"{node}: {error}")
            else:
                if self._note(node, answer, reasons):
                    break
        return self._told(reasons)

    async def find_soon(self) -> Address:
        """As `find`, without blocking."""
        reasons: list[str] = []
        for node in tuple(self._order):
            try:
                async with redis.asyncio.Redis.from_url(self._place.at(node), **_options()) as client:
                    ask: Any = client.execute_command  # redis-py declares no types for it
                    answer: Any = await ask(*_QUESTION)
            except (RedisError, OSError, RuntimeError) as error:
                # RuntimeError is what uvloop makes of a connection that was reset (see `Link`).
                reasons.append(f"{node}: {error}")
            else:
                if self._note(node, answer, reasons):
                    break
        return self._told(reasons)

    def doubt(self) -> None:
        """What was told last is no primary that answers: another node may know better, and is asked first."""
        self._order.append(self._order.pop(0))

    def _note(self, node: Address, answer: Any, reasons: list[str]) -> bool:
        """Whether a node knows the primary. Takes note of all nodes: those that were named may be gone one day."""
        primary, others = read_slots(answer, self._place.slot, node.host)
        if primary is None:
            reasons.append(f"{node}: slot {self._place.slot} is nobody's")
            return False
        if primary != self.primary:
            log.info("redis slot=%d primary is at %s, says %s", self._place.slot, primary, node)
        self.primary = primary
        self._order.remove(node)
        self._order.insert(0, node)
        self._order += [other for other in others if other not in self._order]
        reasons.clear()
        return True

    def _told(self, reasons: list[str]) -> Address:
        if reasons or self.primary is None:
            raise LayerUnavailable(
                f"no node of the Redis Cluster tells where slot {self._place.slot} is: {'; '.join(reasons)}"
            )
        return self.primary


def read_slots(answer: Any, slot: int, asked: str) -> tuple[Address | None, Sequence[Address]]:
    """Reads what a node answers to ``CLUSTER SLOTS``.

    Args:
        answer: ranges, each with its first and last slot, its primary, and its replicas.
        slot: the one that is looked for.
        asked: host of the node that was asked; one that does not know its own name means that.

    Returns:
        The primary of the slot, None if it is nobody's; and every node.
    """
    primary: Address | None = None
    nodes: list[Address] = []
    for first, last, *members in answer:
        addresses = [Address((host or b"").decode() or asked, int(port)) for host, port, *_ in members]
        nodes += addresses
        if first <= slot <= last and addresses:
            primary = addresses[0]
    return primary, nodes


def _options() -> dict[str, Any]:
    return {
        "protocol": 2,
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
    }

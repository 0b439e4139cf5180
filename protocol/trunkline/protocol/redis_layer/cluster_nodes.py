"""The nodes of a Redis Cluster: asked on each new connection which of them is the primary of a slot now.

Any node knows (``CLUSTER SLOTS``), though one may know late: what it tells is believed only if the Redis there says
that it is a primary itself (see `connections`), and it refuses what is not its own with ``MOVED``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from ..redis_layout import BySlot
from ..redis_parts import Address
from .witnesses import Witnesses

log = logging.getLogger(__name__)


class ClusterNodes(Witnesses):
    """Asks the nodes of a cluster for one slot.

    Args:
        place: which slot, and some of the nodes.
    """

    __slots__ = ("_place",)

    def __init__(self, place: BySlot) -> None:
        super().__init__(place.cluster.nodes)
        self._place = place

    @property
    def _question(self) -> tuple[str, ...]:
        return ("CLUSTER", "SLOTS")

    def _url(self, witness: Address) -> str:
        return self._place.at(witness)

    def _read(self, witness: Address, answer: Any) -> Address | str:
        """Takes note of all nodes: those that were named may be gone one day."""
        primary, others = read_slots(answer, self._place.slot, witness.host)
        if primary is None:
            return f"slot {self._place.slot} is nobody's"
        self._order += [other for other in others if other not in self._order]
        return primary

    def _nobody(self) -> str:
        return f"no node of the Redis Cluster tells where slot {self._place.slot} is"

    def _moved(self, witness: Address, primary: Address) -> None:
        log.info("redis slot=%d primary is at %s, says %s", self._place.slot, primary, witness)


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

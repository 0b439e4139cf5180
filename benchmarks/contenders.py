"""The systems that are measured: Trunkline first, then the floor, then the peers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from .peer import Peer
from .peers import PEERS
from .systems import FLOOR, TRUNKLINE

CONTENDERS: Final[tuple[Peer, ...]] = (TRUNKLINE, FLOOR, *PEERS)
NAMES: Final = tuple(peer.name for peer in (FLOOR, *PEERS))


def chosen(names: Collection[str]) -> list[Peer]:
    """Trunkline, the floor and those that were asked for.

    Args:
        names: of peers, or ``all``.
    """
    always = (TRUNKLINE.name, FLOOR.name)
    return [peer for peer in CONTENDERS if peer.name in always or peer.name in names or "all" in names]


def divided(peers: Collection[Peer]) -> tuple[list[Peer], dict[str, str]]:
    """Those that can run here, and why each of the others cannot."""
    reasons = {peer.name: reason for peer in peers if (reason := peer.missing()) is not None}
    return [peer for peer in peers if peer.name not in reasons], reasons

"""What every tenure of an interface server shares, and what outlives each of them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from trunkline.protocol.process.logs import RateLimited

from .addresses import Addresses
from .admission import Admission
from .backlog import POLICIES
from .flow import Bound
from .heartbeat import Rhythm, Wheel
from .limits import Sockets
from .metrics import InterfaceMetrics
from .rate import Rate
from .settings import InterfaceSettings
from .watch import Watch
from .waterfall import Waterfall
from .websocket import WebSocket

if TYPE_CHECKING:
    from trunkline.protocol.process.spans import Tracing

_warnings = RateLimited(logging.getLogger(__name__))


class Shared:
    """What outlives a tenure.

    Attributes:
        settings: of the process.
        metrics: of the process.
        wheel: heartbeats of all connections, also of those that close while the next tenure has begun.
        rhythm: of the wheel.
        sockets: how many are open.
        loop: the event loop.
        bound: of what waits of each connection.
        addresses: how many of which address are open.
        admission: who may come in, and when sockets are read, while the workers cannot keep up.
        message_rate: of each connection; None for any.
        policy: what happens to slow readers whose connect handler does not say.
        watch: which messages are watched on their way; None for none, ever.
        shards_used: how many shards newcomers use, counted from the first; None for all.
    """

    __slots__ = (
        "addresses",
        "admission",
        "bound",
        "loop",
        "message_rate",
        "metrics",
        "policy",
        "rhythm",
        "settings",
        "shards_used",
        "sockets",
        "watch",
        "wheel",
    )

    def __init__(
        self,
        settings: InterfaceSettings,
        metrics: InterfaceMetrics,
        loop: asyncio.AbstractEventLoop,
        tracing: Tracing | None = None,
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self.loop = loop
        self.sockets = Sockets()
        self.wheel: Wheel[WebSocket] = Wheel()
        self.rhythm = Rhythm(settings.ping_interval_s, settings.ping_timeout_s, settings.close_timeout_s)
        self.bound = Bound(settings.queue_events, settings.queue_bytes)
        self.addresses = Addresses(
            settings.connections_per_address, _rate(settings.address_rate, settings.address_burst)
        )
        self.admission = Admission(settings.max_wait_s)
        self.message_rate = _rate(settings.message_rate, settings.message_burst)
        self.policy = POLICIES[settings.outbound_policy]
        waterfall = Waterfall(settings.waterfall_per_s) if settings.waterfall_per_s else None
        self.watch: Watch | None = None
        if waterfall is not None or tracing is not None:
            self.watch = Watch(settings, loop, waterfall, tracing)
        self.shards_used: int | None = None

    def turned_away(self, reason: str) -> None:
        """Counts a client that is refused or closed at a limit, and says so at a bounded rate."""
        self.metrics.turned_away.get(reason).value += 1
        _warnings.warning(f"turned away {reason}", "turning clients away reason=%s", reason)


def _rate(per_s: float, burst: int) -> Rate | None:
    return Rate(per_s, burst) if per_s else None

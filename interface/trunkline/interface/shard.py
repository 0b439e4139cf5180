"""One shard as an interface server uses it: where connections that live there publish, and whose mailbox is read.

The layer's receiver. An interface server has the same id on every shard, and is fenced on all if it is on one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trunkline.protocol.codec import encode_entry
from trunkline.protocol.layer import Holdings, InterfaceLayer, Publication
from trunkline.protocol.messages import LAST_SEQ, Entry
from trunkline.protocol.names import DISCONNECT, ChannelName, shard_of
from trunkline.protocol.tracks import Share, registered

from .connection import Connection
from .frames import ABNORMAL
from .mailbox import dispatch
from .publisher import Publisher
from .recipient import Recipient
from .states import CONNECTING, HOLD_AWAY
from .tracks import Tracks

if TYPE_CHECKING:
    from .tenure import Tenure


class Shard:
    """A shard; an `InterfaceReceiver`.

    Args:
        number: of the shard, from 0.
        layer: not opened yet.
        tenure: whose it is.

    Attributes:
        publisher: the way to it.
        load: recipients that live there.
        tracks: which workers get the events of new connections.
        up: it answers.
    """

    __slots__ = ("_mail", "_sampled", "layer", "load", "number", "publisher", "tenure", "tracks", "up")

    def __init__(self, number: int, layer: InterfaceLayer, tenure: Tenure) -> None:
        self.number = number
        self.layer = layer
        self.tenure = tenure
        self.publisher = Publisher(layer, tenure.loop, tenure.settings.linger_ms / 1000)
        self.load = 0
        self.tracks = Tracks()
        self.up = False
        self._mail: tuple[str, float] | None = None
        self._sampled: tuple[str, float] | None = None

    def recipients(self) -> list[Recipient]:
        """All that live there."""
        found = self.tenure.recipients
        if len(self.tenure.shards) == 1:
            return list(found.values())
        return [recipient for name, recipient in found.items() if shard_of(name) == self.number]

    def connections(self) -> list[Connection]:
        """Every WebSocket that lives there, in whatever state, whose disconnect is not released."""
        return [recipient for recipient in self.recipients() if isinstance(recipient, Connection)]

    def mailbox_lag_s(self) -> float:
        """Age of the newest mailbox entry when it arrived, by its id (milliseconds of Redis' clock); 0 if its id does
        not say."""
        if self._mail is None:
            return 0.0
        token, arrived_s = self._mail
        stamp = token.partition("-")[0]
        # A counter of the in-memory layer is no time.
        if not stamp.isdecimal() or len(stamp) < 13:
            return 0.0
        return max(0.0, arrived_s - int(stamp) / 1000)

    # ---- `InterfaceReceiver` ----

    def mailbox(self, operations: list[list[Any]], token: str) -> None:
        """Operations have arrived."""
        self._mail = (token, time.time())
        dispatch(self.tenure, operations, token, self.number)

    def answered(self, seconds: float) -> None:
        """Redis took so long to answer. The age of the newest mailbox entry is noted too: no message pays for it."""
        metrics = self.tenure.metrics
        metrics.publish_seconds.observe(seconds)
        if self._mail is not self._sampled:
            self._sampled = self._mail
            metrics.mailbox_seconds.observe(self.mailbox_lag_s())

    def refused(self, publications: Sequence[Publication]) -> None:
        """Channels are full."""
        self.publisher.refused(publications)

    def away(self) -> None:
        """The shard does not answer: no socket of its connections is read, and nobody new is let in there."""
        self.up = False
        self.tenure.warn(
            "away", "the channel layer does not answer shard=%d interface=%s", self.number, self.tenure.id
        )
        for connection in self.connections():
            connection.hold(HOLD_AWAY)

    def back(self) -> None:
        """The shard answers again."""
        self.up = True
        for connection in self.connections():
            connection.let_go(HOLD_AWAY)

    def fenced(self) -> None:
        """This interface was declared dead there."""
        self.tenure.fenced(self)

    def holdings(self) -> Holdings:
        """Each accepted connection that lives there and each group with members.

        Not a connection whose disconnect is on its way: Redis may know it already and have forgotten the connection,
        whom nothing would take out of the registry again but its reaper, with a second disconnect. If it was lost,
        `republish` brings it back, for it is held like any event.
        """
        lost: list[Any] = [{"code": ABNORMAL, "reason": ""}]
        connections = {
            connection.id: registered(
                encode_entry(Entry(DISCONNECT, connection.reply, connection.path, LAST_SEQ, lost)),
                connection.track.name,
            )
            for connection in self.connections()
            if connection.state is not CONNECTING and not connection.flow.disconnecting
        }
        return Holdings(connections, self.tenure.groups.tokens(self.number))

    def republish(self, after: int, up_to: int, channel: ChannelName | None = None) -> None:
        """Publishes again what these batches held, all or for one channel, and no release has come for."""
        count = self.publisher.republish(self.recipients(), after, up_to, channel)
        self.tenure.metrics.republished.value += count

    def share_out(self, shares: Sequence[Share], now_ms: int) -> None:
        """What each track gets."""
        self.tracks.update(shares, now_ms)


def least(loads: Sequence[int | None], behind: int) -> int | None:
    """The shard for a newcomer: the one with the least load, of equal ones the next in turn.

    Args:
        loads: of each shard; None where nobody is let in.
        behind: the shard that was taken last.

    Returns:
        Its number; None if nobody is let in anywhere.
    """
    order = [(behind + step) % len(loads) for step in range(1, len(loads) + 1)]
    open_ones = [(load, shard) for shard in order if (load := loads[shard]) is not None]
    return min(open_ones, key=lambda pair: pair[0])[1] if open_ones else None

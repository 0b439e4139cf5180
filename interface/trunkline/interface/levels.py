"""What the gauges of an interface server show, counted once for all gauges of a scrape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .tenure import Tenure


class Levels(NamedTuple):
    """How much there is of something, as gauges show it.

    Attributes:
        connections: open WebSockets.
        in_flight: connections and requests with an entry that is not released yet.
        paused: connections whose socket is not read at present.
        outbound_bytes: bytes written to sockets that the kernel has not taken yet.
        mailbox_lag_s: age of the newest mailbox entry when it was read.
        layer_up: 1 while the layer answers, or any shard of it.
        groups: groups with members here.
        retrying: publications waiting for room in their channel.
        wait_s: age of the oldest entry that no worker was given, at the last look.
        queueing: connections that wait for their turn to be read.
        largest_group: members here of the group that has most of them.
        shards_up: of each shard 1 while it answers.
        shards_load: of each shard how many connections and requests live there.
        connections_limit: connections beyond which clients are refused; 0 before the start.
    """

    connections: int
    in_flight: int = 0
    paused: int = 0
    outbound_bytes: int = 0
    mailbox_lag_s: float = 0
    layer_up: int = 0
    groups: int = 0
    retrying: int = 0
    wait_s: float = 0
    queueing: int = 0
    largest_group: int = 0
    shards_up: Sequence[int] = ()
    shards_load: Sequence[int] = ()
    connections_limit: int = 0


def measure(tenure: Tenure | None, open_sockets: int, connections_limit: int = 0) -> Levels:
    """Looks at everything a tenure holds.

    Args:
        tenure: the present one; None while there is none.
        open_sockets: WebSockets that are open, of whatever tenure.
        connections_limit: how many the server lets in.
    """
    if tenure is None:
        return Levels(open_sockets, connections_limit=connections_limit)
    connections = tenure.connections()
    return Levels(
        connections=open_sockets,
        in_flight=sum(recipient.publication is not None for recipient in tenure.recipients.values()),
        paused=sum(connection.paused for connection in connections),
        outbound_bytes=sum(connection.outbound_bytes for connection in connections),
        mailbox_lag_s=tenure.mailbox_lag_s(),
        layer_up=int(tenure.up),
        groups=len(tenure.groups),
        retrying=sum(len(shard.publisher.retrying) for shard in tenure.shards),
        wait_s=tenure.admission.wait_s,
        queueing=len(tenure.turns),
        largest_group=tenure.groups.largest,
        shards_up=[int(shard.up) for shard in tenure.shards],
        shards_load=[shard.load for shard in tenure.shards],
        connections_limit=connections_limit,
    )

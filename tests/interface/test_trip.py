"""One message through the cluster and back."""

from __future__ import annotations

from typing import Any

from tests.interface.conftest import MakeRig
from tests.support.fake_layer import echo, silent
from trunkline.interface.trip import make_trip
from trunkline.protocol.codec import RELEASE
from trunkline.protocol.messages import Entry
from trunkline.protocol.names import TRIP, ConnectionId


def worker(entry: Entry, connection: ConnectionId) -> list[list[Any]] | None:
    """Answers as a worker does."""
    if entry.channel != TRIP:
        return echo(entry, connection)
    return [
        [RELEASE, connection, 0, [{"status": 200, "headers": [], "content": b"w1", "more_content": False}]]
    ]


async def test_a_trip_names_the_worker_that_answered_and_the_time_it_took(make_rig: MakeRig) -> None:
    rig = await make_rig(worker)
    assert rig.server.tenure is not None

    status, text = await make_trip(rig.server.tenure)

    assert status == 200
    assert "worker=w1" in text
    assert "ms=" in text
    assert rig.server.tenure.recipients == {}
    entry = await rig.layer.entry(TRIP)
    assert (entry.seq, entry.path, entry.events) == (0, None, [{}])


async def test_without_a_worker_a_trip_ends_with_504(make_rig: MakeRig) -> None:
    rig = await make_rig(silent)
    assert rig.server.tenure is not None
    assert (await make_trip(rig.server.tenure, 0.05))[0] == 504


async def test_a_full_channel_and_starting_over_are_503(make_rig: MakeRig) -> None:
    rig = await make_rig(silent)
    assert rig.server.tenure is not None
    rig.layer.full.add(TRIP)
    assert (await make_trip(rig.server.tenure))[0] == 503

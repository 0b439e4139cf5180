"""Which track a new connection is put on, and where its events go."""

from __future__ import annotations

import pytest

from trunkline.interface.tracks import Tracks
from trunkline.protocol.names import CONNECT, DISCONNECT, RECEIVE, REQUEST
from trunkline.protocol.tracks import Share

NOW_MS = 1000


@pytest.mark.parametrize(
    ("drawn", "name"), [(0.0, "a"), (0.099, "a"), (0.1, "b"), (0.349, "b"), (0.351, ""), (0.99, "")]
)
def test_each_track_gets_its_share_of_new_connections_and_the_main_one_the_rest(
    drawn: float, name: str
) -> None:
    tracks = Tracks(lambda: drawn)
    tracks.update([Share("a", 10, 2000), Share("b", 25, 2000)], NOW_MS)

    assert tracks.pick().name == name


def test_without_shares_nothing_is_drawn() -> None:
    tracks = Tracks(lambda: pytest.fail("drawn"))
    tracks.update([Share("a", 0, 2000)], NOW_MS)

    assert tracks.pick() is tracks.main


def test_a_track_without_workers_gets_no_new_connections() -> None:
    tracks = Tracks(lambda: 0.0)
    tracks.update([Share("a", 100, 999)], NOW_MS)

    assert tracks.pick() is tracks.main


def test_connections_of_a_track_without_workers_are_served_by_the_main_one_until_a_worker_is_back() -> None:
    tracks = Tracks(lambda: 0.0)
    tracks.update([Share("a", 100, 2000)], NOW_MS)
    track = tracks.pick()
    assert (track.connect, track.receive) == ("websocket.connect@a", "websocket.receive@a")
    assert (track.disconnect, track.request) == ("websocket.disconnect@a", "http.request@a")

    tracks.update([Share("a", 100, 1999)], 2000)
    assert (track.connect, track.receive, track.disconnect, track.request) == (
        CONNECT,
        RECEIVE,
        DISCONNECT,
        REQUEST,
    )
    assert track.name == "a"

    tracks.update([Share("a", 0, 3000)], 2000)
    assert track.receive == "websocket.receive@a"
    assert tracks.pick() is tracks.main


def test_a_track_that_is_forgotten_is_as_one_without_workers() -> None:
    tracks = Tracks(lambda: 0.0)
    tracks.update([Share("a", 100, 2000)], NOW_MS)
    track = tracks.pick()

    tracks.update([], NOW_MS)

    assert track.receive == RECEIVE
    assert tracks.pick() is tracks.main

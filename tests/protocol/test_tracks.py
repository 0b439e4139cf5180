"""Names of tracks and of their channels, and what the hash of shares means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.protocol.errors import InvalidName
from trunkline.protocol.names import CONNECT, DISCONNECT, RECEIVE, REQUEST, TRIP, ChannelName
from trunkline.protocol.tracks import (
    MAIN,
    Share,
    on_track,
    orphans,
    read_shares,
    registered,
    split_track,
    track_name,
)


@pytest.mark.parametrize("name", ["v2", "canary", "1", "a-b_c.d", "x" * 30])
def test_a_track_has_a_name(name: str) -> None:
    assert track_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "V2", "-a", "a-", "a b", "a@b", "a!until", "x" * 31, "ä", "a\n", 7, None]
)
def test_what_is_no_name_of_a_track_is_refused_with_what_was_expected(name: object) -> None:
    with pytest.raises(InvalidName, match=r"track .*expected 1 to 30 of 'a-z'"):
        track_name(name)


@pytest.mark.parametrize("channel", [CONNECT, RECEIVE, DISCONNECT, REQUEST])
def test_the_channels_of_connections_are_each_tracks_own(channel: ChannelName) -> None:
    assert on_track(channel, "v2") == f"{channel}@v2"
    assert split_track(on_track(channel, "v2")) == (channel, "v2")


@pytest.mark.parametrize("channel", [TRIP, ChannelName("jobs")])
def test_other_channels_are_everybodys(channel: ChannelName) -> None:
    assert on_track(channel, "v2") == channel


def test_the_main_tracks_channels_have_their_own_names() -> None:
    assert on_track(RECEIVE, MAIN) == RECEIVE
    assert split_track(RECEIVE) == (RECEIVE, MAIN)


def test_the_registry_keeps_an_entry_as_it_is_unless_its_connection_is_on_a_track() -> None:
    assert registered(b"\x01entry", MAIN) == b"\x01entry"
    assert registered(b"\x01entry", "v2") == b"@v2 \x01entry"


def test_shares_are_read_by_name() -> None:
    fields = [b"v2", b"12.5", b"v2!until", b"1700000000000", b"old!until", b"5", b"planned", b"1"]

    assert read_shares(fields) == [
        Share("old", 0.0, 5),
        Share("planned", 1.0, 0),
        Share("v2", 12.5, 1_700_000_000_000),
    ]


@pytest.mark.parametrize(
    ("percent", "means"),
    [(b"nan", 0.0), (b"-1", 0.0), (b"101", 100.0), (b"all", 0.0), (b"\xff", 0.0), (b"inf", 100.0)],
)
def test_a_share_that_nobody_could_have_meant_counts_as_the_nearest(percent: bytes, means: float) -> None:
    assert read_shares([b"v2", percent, b"v2!until", b"soon"]) == [Share("v2", means, 0)]


@given(st.lists(st.binary(max_size=12), max_size=8))
def test_whatever_stands_in_the_hash_is_read(fields: list[bytes]) -> None:
    for share in read_shares(fields):
        assert track_name(share.name) == share.name
        assert 0 <= share.percent <= 100
        assert share.until_ms >= 0


def test_a_track_whose_newest_lease_is_over_has_no_worker_any_more() -> None:
    shares = [Share("a", 50, 1000), Share("b", 0, 999), Share("c", 10, 0)]

    assert orphans(shares, 999) == ["b"]
    assert orphans(shares, 1000) == ["a", "b"]

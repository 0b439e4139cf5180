"""The waterfall: times of a message's way that rise, whatever the clocks say, and bounded memory."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.interface.waterfall import KEPT, STEPS, UNDER_WAY, Arrival, Departure, Waterfall, record
from trunkline.protocol.marks import Stamps

LEFT = Departure("C" * 20, 7, "websocket.receive", "/chat", 1, 1_769_860_800.25, 100.0, 100.001, "ab" * 16)
STAMPS = Stamps("w0123456789ab", "chat.echo", 1, "1769860800251-0", 2000, 100, 1100, 1200, "ok")
CAME = Arrival(STAMPS, "1769860800255-3", 100.006)


def test_a_record_says_who_did_what_when() -> None:
    assert record(LEFT, CAME, 100.0065) == {
        "id": "CCCCCCCC:7",
        "connection": "CCCCCCCC",
        "channel": "websocket.receive",
        "path": "/chat",
        "events": 1,
        "at": "2026-01-31T12:00:00.250Z",
        "route": "chat.echo",
        "worker": "w0123456789ab",
        "attempt": 1,
        "outcome": "ok",
        "trace_id": "ab" * 16,
        "ms": {
            "read": 0.0,
            "published": 1.0,
            "picked_up": 3.0,
            "handling": 3.1,
            "handled": 4.1,
            "committed": 5.0,
            "written": 6.5,
        },
    }


def test_a_worker_that_does_not_tell_leaves_gaps() -> None:
    told = record(LEFT, CAME._replace(stamps=None), 100.0065)
    assert (told["route"], told["worker"], told["attempt"], told["outcome"]) == ("", "", 0, "")
    assert told["ms"] == {
        **dict.fromkeys(STEPS),
        "read": 0.0,
        "published": 1.0,
        "written": 6.5,
    }


@pytest.mark.parametrize("token", ["17", "", "x-1", "1" * 20 + "-0"])
def test_ids_that_are_no_times_say_nothing_of_the_commit(token: str) -> None:
    ms = record(LEFT, CAME._replace(token=token), 100.0065)["ms"]
    assert ms["committed"] is None
    assert ms["handled"] == 4.1


@given(
    st.lists(st.integers(-(10**9), 10**9), min_size=4, max_size=4),
    st.integers(0, 10**6),
    st.tuples(st.floats(0, 10), st.floats(0, 10), st.floats(0, 10)),
)
def test_times_never_fall_whatever_the_others_tell(
    times_us: list[int], token_ms: int, waits_s: tuple[float, float, float]
) -> None:
    left = LEFT._replace(published_s=100 + waits_s[0])
    arrived_s = left.published_s + waits_s[1]
    queued, handling, handled, sent = times_us
    stamps = STAMPS._replace(queued_us=queued, handling_us=handling, handled_us=handled, sent_us=sent)
    arrival = Arrival(stamps, f"{1769860000000 + token_ms}-0", arrived_s)
    told = list(record(left, arrival, arrived_s + waits_s[2])["ms"].values())
    assert told == sorted(told)


def test_what_was_never_published_here_left_when_it_was_read() -> None:
    assert record(LEFT._replace(published_s=0.0), CAME, 100.0065)["ms"]["published"] == 0.0


def shown(waterfall: Waterfall) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = waterfall.as_json("i0123456789ab")["messages"]
    return messages


def test_a_message_is_shown_when_it_was_written() -> None:
    waterfall = Waterfall(1.0)
    waterfall.departs(LEFT._replace(published_s=0.0))
    waterfall.published(LEFT.connection, 100.001)
    departure = waterfall.returns(LEFT.connection, LEFT.seq)
    assert departure == LEFT
    assert len(waterfall) == 0
    waterfall.written(departure, CAME, 100.0065)
    assert shown(waterfall) == [record(LEFT, CAME, 100.0065)]
    assert len(waterfall) == 1


def test_a_message_that_is_not_watched_or_came_back_before_is_nobodys() -> None:
    waterfall = Waterfall(1.0)
    waterfall.published("nobody", 1.0)
    waterfall.departs(LEFT)
    assert waterfall.returns("nobody", 7) is None
    assert waterfall.returns(LEFT.connection, 8) is None
    assert waterfall.returns(LEFT.connection, 7) == LEFT
    assert waterfall.returns(LEFT.connection, 7) is None


def test_the_newest_comes_first_and_the_oldest_make_room() -> None:
    waterfall = Waterfall(2.5)
    for seq in range(KEPT + 5):
        waterfall.written(LEFT._replace(seq=seq), CAME, 100.1)
    answer = waterfall.as_json("i0123456789ab")
    assert (answer["interface"], answer["per_s"], answer["kept"]) == ("i0123456789ab", 2.5, KEPT)
    assert [message["id"].rpartition(":")[2] for message in answer["messages"]] == [
        str(seq) for seq in range(KEPT + 4, 4, -1)
    ]


def test_what_never_comes_back_is_forgotten() -> None:
    waterfall = Waterfall(1.0)
    for number in range(UNDER_WAY + 1):
        waterfall.departs(LEFT._replace(connection=str(number)))
    assert waterfall.returns("0", LEFT.seq) is None
    assert waterfall.returns("1", LEFT.seq) is not None

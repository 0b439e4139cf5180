"""A frame of ``trunkline top``: everything that is to be seen, in 80 columns."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from tests.deploy.diagnosis.test_checks import HEALTHY, since
from tests.protocol.process.facts.make import a_lease, a_process
from trunkline.deploy.top_frame import frame, rate, seconds, size
from trunkline.protocol.process.facts import ChannelFacts, Facts, RouteFacts

BUSY = """process_cpu_seconds_total 0.97
process_resident_memory_bytes 61e6
trunkline_messages_total 4310
trunkline_handler_seconds_sum 0.8
trunkline_worker_slots{kind="loop"} 1
trunkline_loop_lag_seconds 0.7
"""


def shown(facts: Facts, height: int | None = None) -> str:
    text = io.StringIO()
    Console(file=text, width=80, highlight=False).print(frame(facts, height))
    return text.getvalue()


def row(text: str, begin: str) -> list[str]:
    (found,) = [line.split() for line in text.splitlines() if line.startswith(begin)]
    return found


def many(count: int) -> Facts:
    workers = tuple(a_process(f"w{number:012x}", BUSY) for number in range(count))
    return replace(HEALTHY, processes=(*HEALTHY.processes[:1], *workers))


def test_each_process_channel_and_route_is_a_row() -> None:
    lease = a_lease("w0123456789ab", host="a-host-with-a-long-name.example")
    facts = replace(
        since({}, used_cpu_user_main_thread=3.0, used_memory=34_000_000),
        processes=(
            a_process("i1", "trunkline_connections 1200\n"),
            a_process("w0123456789ab", BUSY, lease=lease),
            a_process("w2", error="no answer within 3 s"),
        ),
        channels=(
            ChannelFacts("websocket.receive", 1200, 3, 2.0, 1.5, 40.0, 310.0, 0.04, 0.09, 1),
            ChannelFacts("quiet", 0, 0),
        ),
        routes=(RouteFacts(f"{'a' * 60}.echo", 10, 5.0, 0.0123, 0.5, 2, 7), RouteFacts("idle", 0, 0, 0, None, 0, 0)),
        dead_letters=12,
        dead_letters_per_s=1.5,
    )  # fmt: skip

    text = shown(facts)

    assert max(map(len, text.splitlines())) <= 80
    assert row(text, "interface")[3:] == ["1,200", "0", "0%", "0M", "0"]
    assert row(text, "worker    w0123456789ab")[2:] == [
        "a-host-with-",
        "0.8/1",
        "4,310",
        "97%",
        "61M",
        "700ms",
    ]
    assert row(text, "worker    w2")[3:] == ["silent"]
    assert row(text, "websocket.receive")[1:] == ["1,200", "3", "+40", "1.5s", "40ms", "90ms", "310"]
    assert not [line for line in text.splitlines() if line.startswith("quiet")]
    assert row(text, "…")[-4:] == ["5.0", "12ms", "500ms", "7"]
    assert row(text, "idle")[1:] == ["0", "-", "-", "0"]
    assert "Redis 7.2.4: CPU 100%, 34M" in text
    assert "dead letters: 12 (+1.5/s)" in text


def test_a_terminal_that_is_low_shows_some_processes_and_how_many_more_there_are() -> None:
    text = shown(many(60), height=24)

    assert len(text.splitlines()) <= 24
    assert "more" in text
    assert "more" not in shown(many(60)) and len(shown(many(60)).splitlines()) > 60


def test_a_cluster_that_does_nothing_says_so() -> None:
    text = shown(replace(HEALTHY, channels=(), routes=()))

    assert "no channel has anything to do" in text and "SLOWEST" not in text


def test_a_redis_that_is_away_is_told_in_place_of_figures() -> None:
    text = shown(Facts(1.0, unavailable="Redis at redis://host: refused"))

    assert "Redis does not answer: Redis at redis://host: refused" in text and "trunkline doctor" in text


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (rate(0), "0"), (rate(0.42), "0.4"), (rate(12.4), "12"), (rate(4310), "4,310"), (rate(1.23e6), "1.2M"),
        (size(0), "0M"), (size(61e6), "61M"), (size(1.23e9), "1.2G"),
        (seconds(None), "-"), (seconds(0), "0"), (seconds(0.0003), "0.3ms"), (seconds(0.045), "45ms"),
        (seconds(1.24), "1.2s"), (seconds(340), "340s"),
    ],
)  # fmt: skip
def test_numbers_are_short(told: str, text: str) -> None:
    assert told == text


def test_each_shard_is_a_line_and_one_that_is_away_says_so_within_the_width() -> None:
    servers = tuple(replace(HEALTHY.servers[0], shard=shard) for shard in (0, 2))

    lines = shown(
        replace(HEALTHY, servers=servers, away={1: "Redis at redis://b: " + "x" * 99}), 24
    ).splitlines()

    assert [line.split(",")[0] for line in lines[1:3]] == ["shard 0", "shard 2"]
    assert lines[3].startswith("shard 1 does not answer: Redis at redis://b: xxx")
    assert len(lines[3]) == 80

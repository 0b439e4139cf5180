"""What is made of samples: processes, routes, channels, servers, the machine, hot groups."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.protocol.process.facts.make import a_lease, a_process
from trunkline.protocol.messages import ChannelStats
from trunkline.protocol.names import RECEIVE, ChannelName, ConnectionId, GroupName
from trunkline.protocol.operations import encode_group_send, encode_mailbox, encode_text_release
from trunkline.protocol.process.facts import Facts, MachineFacts, ServerFacts
from trunkline.protocol.process.facts.channels import channels_of, placed
from trunkline.protocol.process.facts.cluster import Inspected
from trunkline.protocol.process.facts.hot import hottest
from trunkline.protocol.process.facts.routes import routes_of

WORKER = """
process_cpu_seconds_total 10.5
process_resident_memory_bytes 1e6
trunkline_messages_total{channel="websocket.receive",route="app.echo",outcome="ok"} 30
trunkline_messages_total{channel="websocket.receive",route="app.echo",outcome="error"} 2
trunkline_handler_seconds_sum{route="app.echo"} 8
trunkline_handler_seconds_count{route="app.echo"} 32
trunkline_handler_seconds_bucket{route="app.echo",le="0.5"} 32
trunkline_handler_seconds_bucket{route="app.echo",le="+Inf"} 32
trunkline_worker_slots{kind="loop"} 1
trunkline_worker_slots{kind="async"} 100
trunkline_worker_slots{kind="none"} 0
trunkline_worker_slot_seconds_total{kind="loop"} 8
trunkline_worker_serves{channel="websocket.receive"} 1
trunkline_worker_serves{channel="work"} 1
trunkline_queue_wait_seconds_sum{channel="websocket.receive"} 3
trunkline_queue_wait_seconds_count{channel="websocket.receive"} 30
trunkline_queue_wait_seconds_bucket{channel="websocket.receive",le="1"} 30
trunkline_queue_wait_seconds_bucket{channel="websocket.receive",le="+Inf"} 30
trunkline_loop_lag_seconds 0.25
"""


def test_a_worker_is_as_busy_as_the_busier_of_its_slots_and_its_cpu() -> None:
    worker = a_process("w1", WORKER, "process_cpu_seconds_total 10\n", span_s=10.0)

    assert worker.busy == pytest.approx(0.8)
    assert worker.slots == 100
    assert worker.cpu == pytest.approx(0.05)
    assert worker.saturation == pytest.approx(0.8)
    assert worker.messages_per_s == pytest.approx(3.2)
    assert (worker.lag_s, worker.memory_bytes, worker.answers) == (0.25, 1e6, True)


def test_an_interface_server_tells_connections_and_frames() -> None:
    now = "trunkline_connections 7\ntrunkline_messages_in_total 10\ntrunkline_messages_out_total 30\n"
    server = a_process("i1", now + "trunkline_mailbox_lag_seconds 2\n", span_s=2.0)

    assert (server.connections, server.messages_per_s, server.lag_s) == (7, 20.0, 2.0)
    assert server.slots == 1.0 and server.saturation == 0.0


def test_a_process_and_the_whole_can_be_written_as_json() -> None:
    worker = a_process("w1", WORKER, error="no answer")
    facts = Facts(
        1.0,
        processes=(worker, a_process("i1", "trunkline_connections 7\n")),
        routes=tuple(routes_of([worker])),
        channels=tuple(channels_of([ChannelStats(RECEIVE, 5, 2, 1.0)], {}, [worker], {}, 0.0)),
        servers=(ServerFacts("redis://host"),),
        hot_group=hottest([encode_mailbox([encode_group_send(GroupName("all"), "x")])]),
    )

    told = json.loads(json.dumps(facts.as_json()))

    assert [process["id"] for process in told["processes"]] == ["w1", "i1"]
    assert told["connections"] == 7 and told["rates"]["events"] == 32.0
    assert told["hot_group"] == {"group": "all", "sends": 1, "share": 1.0}
    assert [process.id for process in facts.workers] == ["w1"]
    assert Facts(1.0).as_json()["hot_group"] is None


def test_routes_are_added_up_over_workers_and_the_slowest_comes_first() -> None:
    slow = 'trunkline_handler_seconds_sum{route="app.slow"} 9\ntrunkline_handler_seconds_count{route="app.slow"} 1\n'
    slow += 'trunkline_handler_seconds_bucket{route="app.slow",le="30"} 1\n'
    slow += 'trunkline_handler_seconds_bucket{route="app.slow",le="+Inf"} 1\n'
    idle = 'trunkline_handler_seconds_count{route="app.idle"} 5\n'
    workers = [a_process("w1", WORKER), a_process("w2", WORKER + slow), a_process("w3", idle, idle)]

    found = {route.route: route for route in routes_of([*workers, a_process("i1", WORKER)])}

    assert list(found) == ["app.slow", "app.echo", "app.idle"]
    assert found["app.echo"].count == 64 and found["app.echo"].mean_s == 0.25
    assert found["app.echo"].errors == found["app.echo"].errors_ever == 4
    assert found["app.echo"].as_json()["per_s"] == 64.0
    assert found["app.idle"].count == 0 and found["app.idle"].p99_s is None


def test_a_channel_tells_what_waits_how_fast_that_grows_and_who_serves_it() -> None:
    stats = [ChannelStats(RECEIVE, 12, 2, 1.5)]

    (channel,) = channels_of(stats, {RECEIVE: 1.25}, [a_process("w1", WORKER)], {RECEIVE: 4}, 2.0)

    assert (channel.waiting, channel.in_work, channel.wait_s, channel.growth_per_s) == (10, 2, 1.25, 3.0)
    assert (channel.handled_per_s, channel.taken_wait_s, channel.served_by) == (32.0, 0.1, 1)
    assert channel.taken_p99_s == pytest.approx(0.99)


def test_who_serves_a_channel_is_unknown_while_a_worker_does_not_tell() -> None:
    stats = [ChannelStats(RECEIVE, 1, 0, 1.0)]
    other = a_process("w2", 'trunkline_worker_serves{channel="other"} 1\n')

    def served(*workers: object) -> int | None:
        return channels_of(stats, {}, workers, {}, 0.0)[0].served_by  # type: ignore[arg-type]

    assert served() == 0 and served(other) == 0
    assert served(other, a_process("w1", WORKER)) == 1
    assert served(other, a_process("w3", error="no answer")) is None


def test_a_track_is_served_by_its_own_workers_and_by_the_main_ones_while_it_has_none() -> None:
    def served(channel: str, *tracks: str) -> int | None:
        workers = [
            a_process(f"w{number}", WORKER, lease=a_lease(f"w{number}", track=track))
            for number, track in enumerate(tracks)
        ]
        stats = [ChannelStats(ChannelName(channel), 1, 0, 1.0)]
        return channels_of(stats, {}, workers, {}, 0.0)[0].served_by

    assert served(RECEIVE, "", "", "v2") == 2
    assert served(f"{RECEIVE}@v2", "", "", "v2") == 1
    assert served(f"{RECEIVE}@v2", "", "") == 2
    assert served(RECEIVE, "v2") == 0
    # Background channels are everybody's.
    assert served("work", "", "v2") == 2


def test_a_server_tells_rates_between_two_looks() -> None:
    info = {
        "used_cpu_user_main_thread": 1.0,
        "used_cpu_sys_main_thread": 1.0,
        "total_commands_processed": 100,
        "cmdstat_get": {"calls": 5, "usec": 50, "rejected_calls": 0},
        "db0": {"keys": 1},
    }
    later = {
        **info,
        "used_cpu_user_main_thread": 1.5,
        "total_commands_processed": 300,
        "cmdstat_get": {"calls": 9, "usec": 90, "rejected_calls": 2},
        "cmdstat_config|get": {"calls": 3, "usec": 1, "rejected_calls": 1},
        "redis_version": "7.2.4",
    }
    first = ServerFacts("redis://host", info, at_s=10.0)
    second = ServerFacts("redis://host", later, at_s=12.0, before=first)

    assert (first.cpu, first.commands_per_s, first.span_s, first.calls()) == (0.0, 0.0, 0.0, {})
    assert (second.cpu, second.commands_per_s) == (0.25, 100.0)
    assert second.calls() == {"GET": 4.0, "CONFIG GET": 3.0}
    assert second.rejected() == {"GET": 2.0, "CONFIG GET": 1.0} and second.usec()["GET"] == 40.0
    assert second.version == "Redis 7.2.4" and first.version == "Redis ?"
    assert ServerFacts("", {"valkey_version": "8.0.1"}).version == "Valkey 8.0.1"
    assert second.as_json()["name"] == "redis://host"
    assert second.number("db0") == 0.0


def test_a_server_without_figures_of_its_main_thread_tells_those_of_all() -> None:
    first = ServerFacts("", {"used_cpu_user": 1.0, "used_cpu_sys": 1.0}, at_s=1.0)
    second = ServerFacts("", {"used_cpu_user": 2.0, "used_cpu_sys": 1.0}, at_s=2.0, before=first)

    assert second.cpu == 1.0


def test_what_several_redises_tell_is_one() -> None:
    first = Inspected((ServerFacts("a"),), {RECEIVE: 1.0, "x": 3.0}, (b"1",))
    other = Inspected((ServerFacts("b"),), {RECEIVE: 2.0}, (b"2",))

    joined = Inspected.of({0: first, 2: other}, {1: "gone fishing"})

    assert [server.where for server in joined.servers] == ["shard 0, a", "shard 2, b"]
    assert (joined.waits_s, joined.posted) == ({RECEIVE: 2.0, "x": 3.0}, (b"1", b"2"))
    assert joined.waits_on == {RECEIVE: 2, "x": 0}
    assert joined.away == {1: "gone fishing"}
    assert first.servers[0].where == "a"


def test_a_channel_of_several_shards_tells_where_it_is_fullest_and_where_its_oldest_entry_waits() -> None:
    one, two = ChannelStats(RECEIVE, 3, 1, 0.0), ChannelStats(RECEIVE, 7, 2, 0.0)
    (channel,) = channels_of([ChannelStats(RECEIVE, 10, 3, 0.0)], {RECEIVE: 1.5}, [], {}, 0.0)
    assert (channel.fullest, channel.fullest_shard, channel.wait_shard) == (10, None, None)

    (placed_one,) = placed([channel], {0: [one], 1: [two]}, {RECEIVE: 0})

    assert (placed_one.fullest, placed_one.fullest_shard, placed_one.wait_shard) == (7, 1, 0)


def test_a_process_tells_which_shards_do_not_answer_it() -> None:
    up = 'trunkline_shard_up{shard="0"} 1\ntrunkline_shard_up{shard="1"} 0\ntrunkline_redis_up 0\n'
    assert a_process("w1", up).cut_off == [1]
    assert a_process("w1", "trunkline_redis_up 0\n").cut_off == [0]
    assert a_process("w1", "trunkline_redis_up 1\n").cut_off == []


def test_the_machine_is_read_as_far_as_it_shows_itself(tmp_path: Path) -> None:
    assert MachineFacts.read(tmp_path).somaxconn is None and MachineFacts.read(tmp_path).huge_pages is None
    for name, text in (
        ("proc/sys/net/core/somaxconn", "4096\n"),
        ("proc/sys/vm/overcommit_memory", "1\n"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
    ):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)

    found = MachineFacts.read(tmp_path)

    assert (found.somaxconn, found.overcommit, found.huge_pages) == (4096, 1, "madvise")
    assert found.host


def test_the_hottest_group_is_the_one_that_most_operations_are_for() -> None:
    release = encode_text_release(ConnectionId("c"), 1, "x")
    hot, cold = (encode_group_send(GroupName(name), "x") for name in ("hot", "cold"))

    found = hottest([encode_mailbox([hot, release]), encode_mailbox([hot, cold]), b"garbage"])

    assert found is not None and (found.group, found.sends, found.share) == ("hot", 2, 0.5)
    assert hottest([encode_mailbox([release])]) is None

"""Tracks in Redis: whose entries a worker is given, and who serves a track that has no worker."""

from __future__ import annotations

import pytest

from tests.protocol.layer_harness import body
from tests.support.redis_server import RedisServer
from tests.support.waiting import until
from trunkline.protocol.codec import encode_entry
from trunkline.protocol.messages import LAST_SEQ, Entry, Register, SetAside
from trunkline.protocol.names import CONNECT, DISCONNECT, RECEIVE, ConnectionId
from trunkline.protocol.tracks import on_track, orphans, registered

from .conftest import Faulty, faulty_on


async def test_a_worker_is_given_the_entries_of_its_track_only(faulty: Faulty) -> None:
    main, canary = await faulty.worker(RECEIVE), await faulty.worker(RECEIVE, track="v2")
    interface = await faulty.interface()

    interface.publish(on_track(RECEIVE, "v2"), body("new"))
    interface.publish(RECEIVE, body("old"))

    assert [one.body for one in await main.take()] == [body("old")]
    delivery = await canary.take_one()
    assert (delivery.channel, delivery.body) == ("websocket.receive@v2", body("new"))
    assert await canary.finish(delivery) == 1
    assert faulty.bodies(on_track(RECEIVE, "v2")) == []


async def test_interface_servers_hear_of_shares_with_each_renewal(faulty: Faulty) -> None:
    interface = await faulty.interface()
    await faulty.worker(RECEIVE, track="v2")
    faulty.client.hset(faulty.keys.tracks, "v2", "12.5")

    await until(lambda: [(share.name, share.percent) for share in interface.shares] == [("v2", 12.5)])
    await until(lambda: interface.shares[0].until_ms > 0)


async def test_the_main_track_serves_one_without_workers_until_it_has_one_again(faulty: Faulty) -> None:
    main, interface = await faulty.worker(RECEIVE), await faulty.interface()
    canary = await faulty.worker(RECEIVE, track="v2")
    interface.publish(on_track(RECEIVE, "v2"), body("taken"), body("unread"))
    await canary.take_one()
    await canary.layer.close()

    found = [delivery.body for delivery in await main.take(2, 15)]
    assert sorted(found) == sorted([body("taken"), body("unread")])

    again = await faulty.worker(RECEIVE, track="v2")
    await until(lambda: not main.redis_layer._orphans, 10)
    interface.publish(on_track(RECEIVE, "v2"), body("mine"))
    assert (await again.take_one()).body == body("mine")


async def test_a_dead_interfaces_disconnects_go_to_the_track_of_each_connection(faulty: Faulty) -> None:
    main, canary = await faulty.worker(CONNECT, DISCONNECT), await faulty.worker(DISCONNECT, track="v2")
    interface = await faulty.interface()
    entries = {name: disconnect_of(interface.id, name) for name in ("old", "new")}
    await main.apply(
        Register(interface.id, ConnectionId("old"), registered(entries["old"], "")),
        Register(interface.id, ConnectionId("new"), registered(entries["new"], "v2")),
    )

    await interface.layer.retire()

    assert (await main.take_one(15)).body == entries["old"]
    assert (await canary.take_one(15)).body == entries["new"]


async def test_a_disconnect_waits_for_what_stands_in_the_streams_of_tracks(faulty: Faulty) -> None:
    main, canary = await faulty.worker(DISCONNECT), await faulty.worker(CONNECT, track="v2")
    interface = await faulty.interface()
    connect = encode_entry(Entry(CONNECT, f"reply.{interface.id}!new", "/", 0, [{}]))  # type: ignore[arg-type]
    interface.publish(on_track(CONNECT, "v2"), connect)
    delivery = await canary.take_one()
    await interface.layer.retire()
    await until(
        lambda: faulty.client.hexists(faulty.keys.base + f"barrier:{interface.id}", on_track(CONNECT, "v2")),
        10,
    )

    gone = disconnect_of(interface.id, "new")
    assert await canary.finish(delivery, Register(interface.id, ConnectionId("new"), gone)) == 1

    assert (await main.take_one(15)).body == gone


async def test_a_track_without_workers_and_entries_is_forgotten_and_its_share_is_not(faulty: Faulty) -> None:
    tracks = faulty.keys.tracks
    faulty.client.hset(tracks, mapping={"gone": "5", "gone!until": "1", "full": "5", "full!until": "1"})
    faulty.client.sadd(faulty.keys.channels, on_track(RECEIVE, "full"))
    faulty.client.xadd(faulty.keys.stream(on_track(RECEIVE, "full")), {"b": b"x"})
    await faulty.worker(CONNECT)

    faulty.client.sadd(faulty.keys.channels, on_track(RECEIVE, "gone"))
    faulty.client.xgroup_create(faulty.keys.stream(on_track(RECEIVE, "gone")), "workers", mkstream=True)
    await until(lambda: not faulty.client.hexists(tracks, "gone!until"))
    assert faulty.client.hgetall(tracks) == {b"gone": b"5", b"full": b"5", b"full!until": b"1"}
    await until(lambda: not faulty.client.exists(faulty.keys.stream(on_track(RECEIVE, "gone"))), 12)
    assert faulty.client.sismember(faulty.keys.channels, on_track(RECEIVE, "gone")) == 0
    assert faulty.client.xlen(faulty.keys.stream(on_track(RECEIVE, "full"))) == 1


async def test_what_was_set_aside_on_a_track_that_is_gone_is_for_the_main_one(faulty: Faulty) -> None:
    main = await faulty.worker(RECEIVE)
    await main.apply(SetAside(on_track(RECEIVE, "gone"), body("again"), 1, b""))

    assert (await main.take_one()).body == body("again")


async def test_the_heartbeat_of_a_worker_keeps_its_track_alive(faulty: Faulty) -> None:
    worker = await faulty.worker(RECEIVE, track="v2")
    beat = worker.redis_layer._lease.first()

    assert orphans(beat.shares, beat.redis_ms) == []


async def test_a_disconnect_on_a_track_that_is_forgotten_is_for_the_main_one(faulty: Faulty) -> None:
    main, interface = await faulty.worker(CONNECT, DISCONNECT), await faulty.interface()
    gone = disconnect_of(interface.id, "old")
    await main.apply(Register(interface.id, ConnectionId("old"), registered(gone, "promoted-long-ago")))

    await interface.layer.retire()

    delivery = await main.take_one(15)
    assert (delivery.channel, delivery.body) == (DISCONNECT, gone)


async def test_what_is_published_on_a_track_that_redis_has_forgotten_is_handled(faulty: Faulty) -> None:
    main, interface = await faulty.worker(RECEIVE), await faulty.interface()
    canary = await faulty.worker(RECEIVE, track="v2")
    await canary.layer.close()
    faulty.client.delete(faulty.keys.tracks)  # as FLUSHALL would

    interface.publish(on_track(RECEIVE, "v2"), body("held"))

    assert (await main.take_one(10)).body == body("held")


async def test_a_track_is_not_waited_for_while_its_last_worker_drains(own_redis: RedisServer) -> None:
    async with faulty_on(own_redis, worker_lease_s=3.0) as faulty:
        main, interface = await faulty.worker(RECEIVE), await faulty.interface()
        canary = await faulty.worker(RECEIVE, track="v2")
        interface.publish(on_track(RECEIVE, "v2"), body("takes long"))
        held = await canary.take_one()

        canary.layer.stop_reading()
        interface.publish(on_track(RECEIVE, "v2"), body("next"))

        assert (await main.take_one(20)).body == body("next")
        assert await canary.finish(held) == 1


async def test_a_share_that_never_had_a_worker_makes_no_streams(faulty: Faulty) -> None:
    faulty.client.hset(faulty.keys.tracks, "planned", "5")
    main = await faulty.worker(RECEIVE)

    assert main.redis_layer._takeover.channels == [RECEIVE]
    assert not faulty.client.exists(faulty.keys.stream(on_track(RECEIVE, "planned")))


async def test_garbage_among_the_tracks_stops_no_heartbeat(faulty: Faulty) -> None:
    faulty.client.hset(faulty.keys.tracks, mapping={"v2!until": "soon", "x y!until": "", "\xff": "\xfe"})
    worker = await faulty.worker(RECEIVE)

    for _ in range(3):  # the second one finds the reaper's lock its own
        assert worker.redis_layer._lease.first().redis_ms > 0


async def test_a_clock_that_goes_back_leaves_no_track_alive_without_workers(faulty: Faulty) -> None:
    now_ms = int(faulty.client.time()[0]) * 1000
    ahead_ms = now_ms + 3_600_000
    faulty.client.hset(faulty.keys.tracks, "v2!until", ahead_ms)
    faulty.client.set(faulty.keys.base + "watched", ahead_ms)
    main, interface = await faulty.worker(RECEIVE), await faulty.interface()

    interface.publish(on_track(RECEIVE, "v2"), body("on its way"))

    assert (await main.take_one(10)).body == body("on its way")


async def test_channels_that_are_left_while_lost_deliveries_are_looked_for_are_asked_for_next(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = (await faulty.worker(CONNECT)).redis_layer._reading
    asked: list[list[str | bytes | int]] = []

    async def ask(command: list[str | bytes | int]) -> list[object]:
        asked.append(command)
        if len(asked) == 1:
            reading.serve([CONNECT])
        return []

    monkeypatch.setattr(type(reading.link), "ask", staticmethod(ask))
    reading.serve([CONNECT, RECEIVE])
    await reading._find_lost()
    await reading._find_lost()
    await reading._find_lost()

    left = faulty.keys.stream(RECEIVE)
    assert [left in command for command in asked[:3]] == [True, True, False]


def disconnect_of(interface: str, connection: str) -> bytes:
    """The entry that the registry keeps for a connection."""
    return encode_entry(
        Entry(DISCONNECT, f"reply.{interface}!{connection}", "/", LAST_SEQ, [{"code": 1006, "reason": ""}])  # type: ignore[arg-type]
    )

"""Tracks in Redis: whose entries a worker is given, and who serves a track that has no worker."""

from __future__ import annotations

from tests.protocol.layer_harness import body
from tests.support.waiting import until
from trunkline.protocol.codec import encode_entry
from trunkline.protocol.messages import LAST_SEQ, Entry, Register, SetAside
from trunkline.protocol.names import CONNECT, DISCONNECT, RECEIVE, ConnectionId
from trunkline.protocol.tracks import on_track, orphans, registered

from .conftest import Faulty


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


async def test_a_track_without_workers_and_entries_for_a_day_is_forgotten(faulty: Faulty) -> None:
    tracks = faulty.keys.tracks
    faulty.client.hset(tracks, mapping={"gone": "5", "gone!until": "1", "full": "5", "full!until": "1"})
    faulty.client.sadd(faulty.keys.channels, on_track(RECEIVE, "full"))
    faulty.client.xadd(faulty.keys.stream(on_track(RECEIVE, "full")), {"b": b"x"})
    await faulty.worker(CONNECT)

    faulty.client.sadd(faulty.keys.channels, on_track(RECEIVE, "gone"))
    faulty.client.xgroup_create(faulty.keys.stream(on_track(RECEIVE, "gone")), "workers", mkstream=True)
    await until(lambda: not faulty.client.hexists(tracks, "gone"))
    assert faulty.client.hgetall(tracks) == {b"full": b"5", b"full!until": b"1"}
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


def disconnect_of(interface: str, connection: str) -> bytes:
    """The entry that the registry keeps for a connection."""
    return encode_entry(
        Entry(DISCONNECT, f"reply.{interface}!{connection}", "/", LAST_SEQ, [{"code": 1006, "reason": ""}])  # type: ignore[arg-type]
    )

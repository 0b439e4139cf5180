"""What an interface server leaves behind, and how a layer ends."""

from __future__ import annotations

from tests.protocol.layer_contract.effects import (
    JOBS,
    ROOM,
    disconnect_of,
    group_send,
    nothing_more,
    register,
    session_write,
)
from tests.protocol.layer_harness import Cluster, body
from tests.support.waiting import until
from trunkline.protocol.messages import (
    ChannelSend,
    Outcome,
    Unregister,
)
from trunkline.protocol.names import (
    CONNECT,
    DISCONNECT,
    ConnectionId,
)

# ---- what an interface server leaves behind ----


async def test_a_retired_interfaces_connections_are_disconnected_once_after_its_entries(
    cluster: Cluster,
) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(CONNECT, DISCONNECT)
    interface.publish(CONNECT, body("a"), body("b"), body("late"))
    a, b, late = await worker.take(3)
    await worker.commit(
        Outcome(a, [register(interface.id, "a")]),
        Outcome(b, [register(interface.id, "b"), Unregister(interface.id, ConnectionId("b"))]),
    )
    await interface.layer.retire()
    await interface.layer.close()

    # Its last connect is still being handled: had anybody looked at the registry before, "late" would be forgotten.
    await worker.finish(late, register(interface.id, "late"), session_write(interface.id, "late", b"x"))
    disconnects = await worker.take(2, within_s=15)

    assert {d.body for d in disconnects} == {disconnect_of(interface.id, name) for name in ("a", "late")}
    assert [(d.channel, d.attempt) for d in disconnects] == [(DISCONNECT, 1), (DISCONNECT, 1)]
    assert await worker.sessions("late") == [b"x"]  # Its disconnect handler wants to read it.
    for delivery, name in zip(disconnects, ("a", "late"), strict=True):
        assert await worker.finish(delivery, Unregister(interface.id, ConnectionId(name))) == 1
    assert await worker.sessions("late") == [b""]
    await nothing_more(cluster, DISCONNECT)


async def test_a_retired_interface_gets_nothing_and_is_in_no_group(cluster: Cluster) -> None:
    gone, stays = await cluster.interface(), await cluster.interface()
    worker = await cluster.worker(JOBS, DISCONNECT)
    await worker.apply(gone.add(ROOM, "c"), stays.add(ROOM, "d"), register(gone.id, "c"))
    await until(lambda: gone.mail and stays.mail)

    await gone.layer.retire()
    await gone.layer.close()
    await worker.take_one(within_s=15)
    await worker.apply(group_send("hello"), gone.post("c", "lost"))

    assert await stays.receive(1) == ["hello"]
    assert len(gone.mail) == 1
    stats = await cluster.operator.stats()
    assert [info.id for info in stats.interfaces] == [stays.id]


async def test_an_interface_that_ends_without_retiring_is_disconnected_too(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(DISCONNECT)
    await worker.apply(register(interface.id, "c"))

    await interface.layer.close()

    assert (await worker.take_one(within_s=20)).body == disconnect_of(interface.id, "c")


async def test_an_interface_that_retires_with_nothing_left_causes_no_disconnect(cluster: Cluster) -> None:
    first, second = await cluster.interface(), await cluster.interface()
    worker = await cluster.worker(CONNECT, DISCONNECT)
    first.publish(CONNECT, body("a"))
    connect = await worker.take_one()
    await worker.finish(connect, register(first.id, "a"))
    first.publish(DISCONNECT, body("own disconnect"), must=True)
    await first.layer.retire()

    own = await worker.take_one()
    assert own.body == body("own disconnect")
    await worker.finish(own, Unregister(first.id, ConnectionId("a")))

    # The second's disconnect is the layer's, so the layer has buried what there was to bury.
    await worker.apply(register(second.id, "b"))
    await second.layer.retire()
    assert (await worker.take_one(within_s=15)).body == disconnect_of(second.id, "b")
    await nothing_more(cluster, DISCONNECT, pending=1)


# ---- the end ----


async def test_every_side_may_be_closed_twice(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)

    for _ in range(2):
        await interface.layer.close()
        await worker.layer.close()
        await cluster.operator.close()


async def test_an_interface_that_has_ended_may_still_be_called(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    await interface.layer.retire()
    await interface.layer.close()

    assert interface.publish(JOBS, body("late")) == 1
    interface.layer.leave_group(ROOM, "1-0")

    await worker.apply(ChannelSend(JOBS, body("marker")))
    assert (await worker.take_one()).body == body("marker")

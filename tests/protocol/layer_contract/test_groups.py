"""Groups and sessions, as commits change them."""

from __future__ import annotations

import asyncio

from tests.protocol.layer_contract.effects import (
    JOBS,
    ROOM,
    group_send,
    register,
    session_write,
)
from tests.protocol.layer_harness import Cluster, Interface, body
from tests.support.waiting import until
from trunkline.protocol import codec
from trunkline.protocol.messages import (
    Unregister,
)
from trunkline.protocol.names import (
    ChannelName,
    ConnectionId,
)

# ---- groups ----


async def test_who_is_added_gets_what_is_sent_later_in_the_same_handler(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, body("a"))

    await worker.finish(
        await worker.take_one(), group_send("before"), interface.add(ROOM, "c"), group_send("after")
    )

    await until(lambda: interface.mail)
    assert interface.operations == [[codec.GROUP_ADD, ROOM, "c"], [codec.GROUP_SEND, ROOM, "after"]]


async def test_a_group_send_reaches_each_interface_with_members_once(cluster: Cluster) -> None:
    one, two, none = await cluster.interface(), await cluster.interface(), await cluster.interface()
    worker = await cluster.worker(JOBS)
    one.publish(JOBS, body("a"), body("b"))
    a, b = await worker.take(2)
    await worker.finish(a, one.add(ROOM, "c"), one.add(ROOM, "d"), two.add(ROOM, "e"))

    markers = [interface.post("c", "marker") for interface in (one, two, none)]
    await worker.finish(b, group_send("hello"), *markers)

    assert await one.receive(2) == ["hello", "marker"]
    assert await two.receive(2) == ["hello", "marker"]
    assert await none.receive(1) == ["marker"]


async def test_an_interface_leaves_a_group_with_the_token_of_the_newest_add(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    interface.publish(JOBS, body("a"))
    delivery = await worker.take_one()
    await worker.apply(interface.add(ROOM, "c"))
    await worker.apply(interface.add(ROOM, "d"))
    await until(lambda: len(interface.mail) == 2)
    (_, older), (_, newest) = interface.mail

    interface.layer.leave_group(ROOM, older)  # An add that this interface had not seen yet was on its way.
    await _settled(cluster, interface)
    await worker.apply(group_send("still here"))
    assert await interface.receive(1) == ["still here"]

    interface.layer.leave_group(ROOM, newest)
    await _settled(cluster, interface)
    await worker.finish(delivery, group_send("has left"), interface.post("c", "marker"))
    assert await interface.receive(2) == ["still here", "marker"]


async def test_an_interface_may_enter_a_group_by_itself(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    entered = asyncio.Event()

    interface.layer.join_group(ROOM, "0-1", entered.set)
    await asyncio.wait_for(entered.wait(), 5)
    await worker.apply(group_send("hello"))
    assert await interface.receive(1) == ["hello"]

    interface.layer.leave_group(ROOM, "0-1")
    await _settled(cluster, interface)
    await worker.apply(group_send("has left"), interface.post("c", "marker"))
    assert await interface.receive(2) == ["hello", "marker"]


async def test_an_add_that_came_first_keeps_its_token_from_who_enters_by_itself(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    await worker.apply(interface.add(ROOM, "c"))
    entered = asyncio.Event()

    interface.layer.join_group(ROOM, "0-1", entered.set)
    await asyncio.wait_for(entered.wait(), 5)
    interface.layer.leave_group(ROOM, "0-1")
    await _settled(cluster, interface)

    await worker.apply(group_send("still here"))
    assert await interface.receive(1) == ["still here"]


async def test_an_interface_that_left_a_group_may_join_again(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    await worker.apply(interface.add(ROOM, "c"))
    await until(lambda: interface.mail)
    interface.layer.leave_group(ROOM, interface.mail[0][1])
    await _settled(cluster, interface)

    await worker.apply(interface.add(ROOM, "c"), group_send("again"))

    assert await interface.receive(1) == ["again"]


async def _settled(cluster: Cluster, *interfaces: Interface) -> None:
    """What these interface servers have asked before is done: something they publish later has arrived."""
    settling = ChannelName("settling")
    worker = await cluster.worker(settling)
    for interface in interfaces:
        interface.publish(settling, body("settled"))
    for delivery in await worker.take(len(interfaces)):
        await worker.finish(delivery)
    await worker.layer.close()


# ---- sessions ----


async def test_sessions_are_read_in_the_order_asked(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    await worker.apply(
        register(interface.id, "a"),
        session_write(interface.id, "a", b"of a"),
        session_write(interface.id, "b", b"of b"),
    )

    assert await worker.sessions("b", "none", "a", "b") == [b"of b", b"", b"of a", b"of b"]
    assert await worker.sessions() == []


async def test_an_empty_session_is_deleted(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    await worker.apply(session_write(interface.id, "a", b"x"), session_write(interface.id, "b", b"y"))

    await worker.apply(session_write(interface.id, "a", b""), session_write(interface.id, "never", b""))

    assert await worker.sessions("a", "b", "never") == [b"", b"y", b""]


async def test_unregistering_a_connection_ends_its_session(cluster: Cluster) -> None:
    interface, worker = await cluster.interface(), await cluster.worker(JOBS)
    await worker.apply(
        *(register(interface.id, name) for name in "ab"),
        *(session_write(interface.id, name, b"x") for name in "ab"),
    )

    await worker.apply(Unregister(interface.id, ConnectionId("a")))

    assert await worker.sessions("a", "b") == [b"", b"x"]

"""A channel whose stream or consumer group somebody deletes begins anew: once, and with all that was in it."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from tests.protocol.layer_harness import lease_info
from tests.protocol.redis_layer.conftest import Faulty, NotingInterface
from tests.support.waiting import until
from trunkline.protocol import codec
from trunkline.protocol.messages import Entry, Outcome
from trunkline.protocol.names import CONNECT, RECEIVE, ChannelName, ReplyName, new_connection_id, reply_name
from trunkline.protocol.redis_layer import RedisWorkerLayer
from trunkline.protocol.redis_layer.anew import Beginning, Beginnings, parse

LONG_PATH, LONGEST_PATH = "/" + "p" * 100, "/" + "p" * 1000


def of(reply: ReplyName, path: str | None = "/", seq: int = 1) -> bytes:
    """The body of an entry of this reply channel."""
    return codec.encode_entry(Entry(RECEIVE, reply, path, seq, ["text"]))


def of_interface(interface: NotingInterface) -> bytes:
    return of(reply_name(interface.id, new_connection_id()))


@pytest.mark.parametrize("deleted", ["stream", "group"])
async def test_what_was_deleted_by_hand_is_published_again_by_who_holds_it(
    faulty: Faulty, deleted: str
) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE, CONNECT)
    interface.publish(RECEIVE, of_interface(interface))
    interface.publish(CONNECT, of_interface(interface))
    taken = await worker.take(2)
    interface.publish(RECEIVE, of_interface(interface))
    await until(lambda: len(faulty.bodies(RECEIVE)) == 2)

    stream = faulty.keys.stream(RECEIVE)
    if deleted == "stream":
        faulty.client.delete(stream)
    else:
        faulty.client.xgroup_destroy(stream, faulty.keys.consumer_group)

    reading = asyncio.create_task(worker.take(1))
    await until(lambda: interface.begun_anew)
    assert interface.begun_anew == [(0, 3, RECEIVE)]
    assert faulty.bodies(RECEIVE) == []
    # Who had it in hand comes too late: it is handled again.
    for delivery in taken:
        assert await worker.commit(Outcome(delivery, [])) == (1 if delivery.channel == CONNECT else 0)
    interface.publish(RECEIVE, of_interface(interface))
    assert len(await reading) == 1
    assert interface.lost == []


async def test_each_new_beginning_is_told_once(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)

    def noticed(times: int) -> bool:
        worker.layer.read(1)
        return len(interface.begun_anew) == times

    for times in range(1, 4):
        interface.publish(RECEIVE, of_interface(interface))
        await until(lambda: faulty.bodies(RECEIVE))
        faulty.client.delete(faulty.keys.stream(RECEIVE))
        await until(partial(noticed, times))

    assert interface.begun_anew == [(0, 1, RECEIVE), (0, 2, RECEIVE), (0, 3, RECEIVE)]


async def test_what_nobody_would_bring_back_stays(faulty: Faulty) -> None:
    interface = await faulty.interface()
    mine = reply_name(interface.id, new_connection_id())
    dead = "i" + "0" * 12
    kept = [
        b"garbage",
        of(ReplyName(f"reply.{dead}!{mine[-20:]}")),
        # Set aside, or put back from the dead letters; so often that the number takes one byte, two, three and five.
        of(mine, seq=-1),
        of(mine, seq=-33),
        of(mine, seq=-200),
        of(mine, seq=-40_000),
        of(mine, None),
        codec.encode_entry(Entry(ChannelName("any"), None, None, 0, [{"a": 1}], "unique")),
    ]
    gone = [of(mine, "/"), of(mine, LONG_PATH, 200), of(mine, LONGEST_PATH, 70_000)]
    # Elsewhere than on the first shard a connection's id is longer.
    for shard in (1, 12):
        gone.append(of(reply_name(interface.id, new_connection_id(shard)), LONG_PATH))
    stream = faulty.keys.stream(RECEIVE)
    # As it is when frames come between the deletion and the moment when a worker notices.
    faulty.client.sadd(faulty.keys.channels, RECEIVE)
    for body in [*gone, *kept]:
        faulty.client.xadd(stream, {"b": body})

    worker = await faulty.worker(RECEIVE)
    taken = await worker.take(len(kept))

    assert [delivery.body for delivery in taken] == kept
    await until(lambda: interface.begun_anew)
    assert interface.begun_anew == [(0, 0, RECEIVE)]


async def test_two_channels_are_told_together_and_a_burial_forgets_them(faulty: Faulty) -> None:
    interface = await faulty.interface()
    faulty.client.sadd(faulty.keys.channels, RECEIVE, CONNECT)
    await faulty.worker(RECEIVE, CONNECT)

    await until(lambda: len(interface.begun_anew) == 2)
    assert {channel for _, _, channel in interface.begun_anew} == {RECEIVE, CONNECT}

    await interface.layer.close()
    noticed = f"{faulty.keys.base}anew"
    await until(lambda: not faulty.client.hlen(noticed))


async def test_a_worker_that_cannot_make_a_group_says_so(faulty: Faulty) -> None:
    faulty.client.set(faulty.keys.stream(RECEIVE), "no stream")
    layer = RedisWorkerLayer(faulty.settings)
    with pytest.raises(Exception, match=r"cannot make the consumer group of websocket\.receive: .*WRONGTYPE"):
        await layer.open(lease_info("w0", "worker"), [RECEIVE], NotingReceiver())
    await layer.close()


class NotingReceiver:
    """A worker that is never asked anything."""

    def deliver(self, deliveries: object) -> None:
        raise AssertionError

    def room(self) -> int:
        return 0

    def away(self, shard: int = 0) -> None:
        """Said while it opens."""

    def back(self, shard: int = 0) -> None:
        """Said while it opens."""


def test_a_notice_is_due_when_answers_and_mailbox_were_read_as_far() -> None:
    beginnings = Beginnings()
    notice = b"a 3 5-1 b 4 5-0"
    assert parse(notice.decode()) == [
        Beginning(ChannelName("a"), 3, (5, 1)),
        Beginning(ChannelName("b"), 4, (5, 0)),
    ]

    assert beginnings.due(None, 9, "9-9") == []
    assert beginnings.due(notice, 2, "9-9") == []
    assert beginnings.due(notice, 9, "4-9") == []
    assert [one.channel for one in beginnings.due(notice, 3, "5-1")] == ["a"]
    assert [one.channel for one in beginnings.due(notice, 4, "5-1")] == ["b"]
    assert beginnings.due(notice, 9, "9-9") == []
    assert [one.up_to for one in beginnings.due(b"a 7 6-0 b 4 5-0", 9, "9-9")] == [7]

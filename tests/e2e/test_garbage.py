"""Garbage written straight into every stream and mailbox: counted, kept where a person can look, and nothing stops."""

from __future__ import annotations

import os

import pytest

from tests.support.processes import Interface, Processes
from tests.support.sockets import Socket
from tests.support.waiting import until
from trunkline.protocol.codec import encode_entry
from trunkline.protocol.messages import Entry
from trunkline.protocol.names import INTERFACE_CHANNELS, RECEIVE, ReplyName

CHANNELS = [*INTERFACE_CHANNELS, "announce"]
GARBAGE: list[dict[bytes, bytes]] = [
    {b"b": b""},
    {b"b": b"\x00"},
    {b"b": b"\xff" * 40},
    {b"b": b"\x01\xc1"},  # the one byte that msgpack never uses
    {b"b": b"\x01" + b"\x91" * 2000},  # nested without end
    {b"b": b"\x01\xdd\xff\xff\xff\xff"},  # a list of four thousand million items
    {b"b": b"{}"},
    {b"what": b"is this"},
    {b"b": b"\x01", b"and": b"more"},
    {b"b": os.urandom(300)},
]
WRONG_ENTRIES = [
    Entry(RECEIVE, ReplyName("reply.nobody"), "/echo/a", 1, ["no reply channel at all"]),
    Entry(RECEIVE, ReplyName("reply.igone!c1"), "/echo/a", 1, ["an interface that is no more"]),
]


async def dead_letters(cluster: Processes) -> int:
    async with cluster.operator() as layer:
        return (await layer.stats()).dead_letters


async def emptied(cluster: Processes, channel: str) -> None:
    """Waits until nothing is left in a channel's stream."""

    async def is_empty() -> bool:
        async with cluster.operator() as layer:
            return all(item.length == 0 for item in (await layer.stats()).channels if item.channel == channel)

    await until(is_empty, 5, f"nothing is left in the stream of {channel}")


@pytest.mark.parametrize("channel", CHANNELS)
async def test_garbage_in_a_stream_becomes_dead_letters_and_stops_nobody(
    cluster: Processes, bystander: Socket, channel: str
) -> None:
    before = await dead_letters(cluster)

    async with cluster.data() as data:
        for fields in GARBAGE:
            await data.xadd(cluster.keys.stream(channel), fields)  # type: ignore[arg-type]

    await emptied(cluster, channel)
    assert await dead_letters(cluster) == before + len(GARBAGE)
    async with cluster.operator() as layer:
        letters = await layer.dead_letters()
    assert {letter.reason for letter in letters[-len(GARBAGE) :]} == {"garbage"}


async def test_garbage_is_counted(cluster: Processes, bystander: Socket) -> None:
    async def counted() -> float:
        return sum(
            [
                await cluster.metric(worker, 'dead_letters_total{reason="garbage"')
                for worker in cluster.workers
            ]
        )

    before = await counted()

    async with cluster.data() as data:
        await data.xadd(cluster.keys.stream("announce"), {"b": b"rubbish"})

    await emptied(cluster, "announce")
    assert await counted() == before + 1


@pytest.mark.parametrize("entry", WRONG_ENTRIES, ids=lambda entry: str(entry.reply))
async def test_an_entry_of_a_connection_that_cannot_be_is_done_with(
    cluster: Processes, bystander: Socket, entry: Entry
) -> None:
    sound = encode_entry(entry._replace(reply=ReplyName("reply.igone!c1")))
    body = sound.replace(b"igone!c1", b"igone_c1") if entry.reply == "reply.nobody" else sound

    async with cluster.data() as data:
        await data.xadd(cluster.keys.stream(entry.channel), {"b": body})

    await emptied(cluster, entry.channel)


async def test_garbage_in_a_mailbox_is_skipped(
    cluster: Processes, interface: Interface, bystander: Socket
) -> None:
    mailbox = cluster.keys.mailbox(interface.id)

    async with cluster.data() as data:
        for fields in GARBAGE:
            await data.xadd(mailbox, fields)  # type: ignore[arg-type]

        async def trimmed() -> bool:
            return int(await data.xlen(mailbox)) <= 1

        await until(trimmed, 5, "the interface has read behind the garbage")


async def test_a_value_of_another_kind_in_place_of_a_session_is_a_dead_letter_and_no_crash(
    cluster: Processes, interface: Interface, bystander: Socket
) -> None:
    before = await dead_letters(cluster)
    kept: list[dict[bytes, str | bytes | None]] = []
    for shard, keys in enumerate(cluster.shards):  # The bystander is on one of them.
        async with cluster.data(shard) as data:
            found = [key async for key in data.scan_iter(match=f"{keys.base}session:*")]
            kept.append({key: await data.get(key) for key in found})
            for key in found:
                await data.set(key, b"\xffrubbish")
    assert any(kept), "the bystander has a session"

    await bystander.send("with a broken session")

    async def told() -> bool:
        return await dead_letters(cluster) == before + 1

    await until(told, 5, "the message is a dead letter")
    for shard, values in enumerate(kept):
        async with cluster.data(shard) as data:
            for key, value in values.items():
                if value is not None:
                    await data.set(key, value)

"""What clients that read too slowly lose, on real sockets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.interface.conftest import MakeRig, Rig
from tests.support.client_frames import RawClient, frame
from tests.support.fake_layer import ACCEPT, connection_of, echo
from tests.support.waiting import until
from trunkline.interface.connection import Connection
from trunkline.interface.frames import CLOSE, PING, TEXT
from trunkline.interface.states import State
from trunkline.protocol.codec import GROUP_ADD, GROUP_SEND, RELEASE, SEND
from trunkline.protocol.messages import Entry
from trunkline.protocol.names import CONNECT, DISCONNECT, ConnectionId

SIZE = 10_000
BOUND = 100_000


def accepts_with(policy: Any) -> Any:
    """A connect handler that names a policy."""

    def answer(entry: Entry, connection: ConnectionId) -> list[list[Any]] | None:
        if entry.channel == CONNECT:
            return [[RELEASE, connection, 0, [{"accept": True, "outbound": policy}]]]
        return echo(entry, connection)

    return answer


async def deaf(rig: Rig, client: RawClient) -> Connection:
    """Opens a connection whose client does not read."""
    client.stop_reading()
    await client.upgrade_blindly()
    await until(lambda: any(connection.state is State.OPEN for connection in rig.connections()))
    return rig.connections()[-1]


async def fill(rig: Rig, connection: Connection, count: int = 2000) -> int:
    """Sends numbered messages of `SIZE` bytes, more than the kernel takes."""
    for number in range(count):
        rig.layer.mail([SEND, connection.id, -1, f"{number:06}".ljust(SIZE, ".")])
        assert connection.outbound_bytes <= BOUND + 2 * SIZE
        await asyncio.sleep(0)
    return count


async def numbers(client: RawClient, last: int) -> list[int]:
    """Reads on until the message of this number; every message must be whole."""
    await client.reader.readuntil(b"\r\n\r\n")
    heard: list[int] = []
    while not heard or heard[-1] != last:
        first, data = await client.receive()
        assert (first, len(data), data[6:]) == (0x81, SIZE, b"." * (SIZE - 6))
        heard.append(int(data[:6]))
    return heard


@pytest.mark.parametrize("policy", ["drop_oldest", "latest_only"])
@pytest.mark.parametrize("by", ["handler", "setting"])
async def test_a_slow_reader_loses_whole_messages_and_stays_connected(
    make_rig: MakeRig, policy: str, by: str
) -> None:
    rig = (
        await make_rig(accepts_with(policy), outbound_bytes=BOUND)
        if by == "handler"
        else await make_rig(outbound_policy=policy, outbound_bytes=BOUND)
    )
    async with RawClient(*rig.address) as client:
        connection = await deaf(rig, client)
        sent = await fill(rig, connection)
        dropped = rig.drops("outbound")
        assert dropped > 0

        client.read_on()
        heard = await numbers(client, sent - 1)

        assert heard == sorted(set(heard))
        assert len(heard) == sent - dropped
        if policy == "drop_oldest":
            kept = BOUND // (SIZE + 4)
            assert heard[-kept:] == list(range(sent - kept, sent))
        client.send(frame(TEXT, b"still here"))
        assert await client.receive() == (0x81, b"still here")
    assert rig.server.metrics.slow_readers.value == 0


@pytest.mark.parametrize("by", ["handler", "client"])
async def test_a_close_that_finds_too_much_unsent_before_it_writes_one_close_frame(
    make_rig: MakeRig, by: str
) -> None:
    rig = await make_rig(lambda entry, connection: None, outbound_bytes=BOUND, close_timeout_s=10)
    async with RawClient(*rig.address) as client:
        client.stop_reading()
        await client.upgrade_blindly()
        if by == "client":
            client.send(frame(CLOSE, b"\x03\xe8"))
        entry = await rig.layer.entry(CONNECT)
        connection = connection_of(entry)
        said: list[Any] = ["." * SIZE] * 1000
        if by == "handler":
            said.append({"close": 4000})
        # Two operations: what they write leaves together, when the close is here already.
        rig.layer.mail([RELEASE, connection, 0, [ACCEPT, *said]], [SEND, connection, -1, "too late"])
        assert rig.server.metrics.slow_readers.value == 1

        client.read_on()
        await client.reader.readuntil(b"\r\n\r\n")
        heard = [await client.receive() for _ in range(1000)]
        assert set(heard) == {(0x81, b"." * SIZE)}
        assert await client.close_code() == 1013
        client.send(frame(CLOSE, b"\x03\xf5"))
        assert await client.ended()
    assert (await rig.layer.entry(DISCONNECT)).events[0]["code"] == 1013


async def test_what_is_said_last_is_heard_before_the_close(make_rig: MakeRig) -> None:
    rig = await make_rig(accepts_with("drop_oldest"), outbound_bytes=BOUND, close_timeout_s=10)
    async with RawClient(*rig.address) as client:
        connection = await deaf(rig, client)
        sent = await fill(rig, connection)
        rig.layer.mail([SEND, connection.id, -1, {"close": 4000}])

        client.read_on()
        await numbers(client, sent - 1)

        assert await client.close_code() == 4000


async def test_of_the_pings_of_a_client_that_does_not_read_only_the_last_is_answered(
    make_rig: MakeRig,
) -> None:
    rig = await make_rig(accepts_with("drop_oldest"), outbound_bytes=BOUND)
    async with RawClient(*rig.address) as client:
        connection = await deaf(rig, client)
        await fill(rig, connection)
        before = connection.outbound_bytes
        client.send(b"".join(frame(PING, b"%06d" % number) for number in range(5000)))
        bytes_in = rig.server.metrics.bytes_in
        await until(lambda: bytes_in.value >= 5000 * 12 and not connection.paused)
        assert connection.outbound_bytes == before

        client.read_on()
        await client.reader.readuntil(b"\r\n\r\n")
        pongs: list[bytes] = []
        while not pongs or pongs[-1] != b"004999":
            first, data = await client.receive()
            if first == 0x8A:
                pongs.append(data)
        assert len(pongs) == 1


@pytest.mark.parametrize("policy", ["drop_oldest", "latest_only"])
async def test_a_message_larger_than_the_bound_closes_whatever_the_policy(
    make_rig: MakeRig, policy: str
) -> None:
    rig = await make_rig(accepts_with(policy), outbound_bytes=BOUND, close_timeout_s=0.2)
    async with RawClient(*rig.address) as client:
        connection = await deaf(rig, client)
        await fill(rig, connection)
        rig.layer.mail([SEND, connection.id, -1, "x" * (BOUND + 1)])

        assert connection.state is State.CLOSING
        assert rig.server.metrics.slow_readers.value == 1
        assert connection.outbound_bytes <= BOUND


async def test_group_messages_obey_each_members_policy_with_compression_too(make_rig: MakeRig) -> None:
    rig = await make_rig(accepts_with("latest_only"), deflate=True)
    socket = await rig.websocket(compress=15)
    rig.layer.mail([GROUP_ADD, "all", rig.connections()[0].id])
    for number in range(50):
        rig.layer.mail([GROUP_SEND, "all", f"{number} " * 100], [GROUP_SEND, "all", f"{number} again " * 100])
        assert (await socket.receive()).data == f"{number} " * 100
        assert (await socket.receive()).data == f"{number} again " * 100
    await socket.close()


@pytest.mark.parametrize("policy", ["newest", 5, ["close"]])
async def test_a_policy_nobody_knows_is_left_out_and_counted(make_rig: MakeRig, policy: Any) -> None:
    rig = await make_rig(accepts_with(policy))
    async with RawClient(*rig.address) as client:
        assert " 101 " in await client.upgrade()
    assert rig.drops("bad_accept") == 1

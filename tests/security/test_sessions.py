"""Channel sessions: each connection has its own, and no message of a client leads to another's."""

from __future__ import annotations

import json

from tests.security.raw import Raw
from tests.support.client_frames import RawClient, frame
from tests.support.stack import Stack
from trunkline.interface.frames import TEXT


def texts(*values: str) -> bytes:
    return b"".join(frame(TEXT, value.encode()) for value in values)


async def test_a_session_is_its_connections_own(raw: Raw) -> None:
    async with raw.client() as one, raw.client() as two:
        await one.upgrade("/same")
        await two.upgrade("/same")
        one.send(texts("keep mine"))
        assert (await one.receive())[1] == b"kept"
        two.send(texts("kept"))
        assert json.loads((await two.receive())[1]) == {}
        one.send(texts("kept"))
        assert json.loads((await one.receive())[1]) == {"mine": "mine"}


async def test_keys_of_a_session_are_data_whatever_a_client_names_them(raw: Raw) -> None:
    names = ["reply_channel", "__class__", "\0", "{0}", "a\nb", "", "名", "x" * 300]
    async with raw.client() as client:
        await client.upgrade()
        for name in names:
            client.send(texts(f"keep {name}"))
            assert (await client.receive())[1] == b"kept"
        client.send(texts("kept"))

        assert list(json.loads((await client.receive())[1])) == names


async def test_a_session_that_grows_too_large_is_refused_and_the_old_one_stays(
    raw: Raw, cluster: Stack
) -> None:
    async with raw.client() as client:
        await client.upgrade()
        client.send(texts("keep small"))
        assert (await client.receive())[1] == b"kept"
        for number in range(6):
            client.send(texts(f"keep {number}" + "x" * 30_000))
        client.send(texts("kept"))
        while (answer := (await _long(client)))[:1] != b"{":
            assert answer == b"kept"

        assert "small" in json.loads(answer)
    letters = await cluster.operator.dead_letters()
    assert letters and {letter.error.partition(":")[0] for letter in letters} == {"SessionError"}


async def _long(client: RawClient) -> bytes:
    first, length = await client.reader.readexactly(2)
    assert first == 0x81
    if length == 127:
        length = int.from_bytes(await client.reader.readexactly(8), "big")
    elif length == 126:
        length = int.from_bytes(await client.reader.readexactly(2), "big")
    data: bytes = await client.reader.readexactly(length)
    return data


async def test_what_a_client_forwards_as_a_message_brings_no_reply_channel_but_one_it_knows(
    raw: Raw, cluster: Stack
) -> None:
    # A handler that passes on a client's own dict lets the client name a reply channel. It has to know one for that.
    interface = cluster.interfaces[0].id
    made_up = f"reply.{interface}!" + "A" * 20
    async with raw.client() as victim, raw.client() as client:
        await victim.upgrade()
        victim.send(texts("keep secret"))
        assert (await victim.receive())[1] == b"kept"
        await client.upgrade()
        for name in (made_up, "not one", 7, None, ["x"], {"name": made_up}):
            client.send(texts("forward " + json.dumps({"reply_channel": name, "path": "/x", "order": 0})))
        client.send(texts("goes on"))

        assert await client.receive() == (0x81, b"goes on")
        victim.send(texts("nothing came"))
        assert await victim.receive() == (0x81, b"nothing came")

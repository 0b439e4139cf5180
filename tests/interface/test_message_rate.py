"""How many messages a connection may send, and how many frames are looked at before others have their turn."""

from __future__ import annotations

import pytest

from tests.interface.conftest import MakeRig, Rig, Ticks
from tests.support.client_frames import RawClient, frame
from tests.support.fake_layer import disconnects
from trunkline.interface import inbound
from trunkline.interface.frames import PING, PONG, TEXT
from trunkline.interface.reader import TURN_FRAMES
from trunkline.protocol.names import DISCONNECT, RECEIVE


@pytest.mark.parametrize("opcode", [TEXT, PING, PONG])
async def test_one_message_ping_or_pong_too_many_closes_with_1008(make_rig: MakeRig, opcode: int) -> None:
    rig = await make_rig(message_rate=0.001, message_burst=3)
    async with RawClient(*rig.address) as client, RawClient(*rig.address) as other:
        await client.upgrade()
        await other.upgrade()
        client.send(b"".join(frame(opcode, b"%d" % number) for number in range(10)))

        answers = [await client.receive() for _ in range(1)]
        while answers[-1][0] != 0x88:
            answers.append(await client.receive())
        assert answers[-1] == (0x88, (1008).to_bytes(2, "big") + b"too many messages in a short time")
        assert await client.ended()
        client.writer.close()
        await rig.layer.entry(DISCONNECT)
        assert disconnects(rig.layer)[0][1] == 1008
        assert rig.turned_away("message_rate") == 1

        other.send(frame(TEXT, b"undisturbed"))
        assert await other.receive() == (0x81, b"undisturbed")
    assert sum(len(entry.events) for entry in rig.layer.of(RECEIVE)) <= 4


async def test_the_answer_to_our_own_ping_counts_for_nothing(make_rig: MakeRig) -> None:
    ticks = Ticks()
    rig = await make_rig(
        ticks=ticks,
        message_rate=0.001,
        message_burst=1,
        ping_interval_s=4,
        ping_timeout_s=4,
        close_timeout_s=4,
    )
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        await ticks.turn(4)
        assert await client.receive() == (0x89, b"")
        client.send(frame(PONG, b""))

        client.send(frame(TEXT, b"the one"))
        assert await client.receive() == (0x81, b"the one")
        assert disconnects(rig.layer) == []


async def test_a_large_message_counts_as_several(make_rig: MakeRig) -> None:
    rig = await make_rig(message_rate=0.001, message_burst=15)
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        client.send(frame(TEXT, b"x" * 50_000))
        assert len((await client.receive())[1]) == 50_000
        client.send(frame(TEXT, b"x" * 20_000))

        assert await client.close_code() == 1008


async def test_a_message_in_many_frames_counts_as_several(make_rig: MakeRig) -> None:
    rig = await make_rig(message_rate=0.001, message_burst=5)
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        client.send(frame(TEXT, b"a", fin=False) + frame(0, b"a", fin=False) * 46 + frame(0, b"a"))
        assert await client.receive() == (0x81, b"a" * 48)
        client.send(frame(TEXT, b"a", fin=False) + frame(0, b"a", fin=False) * 14 + frame(0, b"a"))
        assert await client.close_code() == 1008


async def test_within_the_rate_nobody_notices_it(make_rig: MakeRig) -> None:
    rig = await make_rig(message_rate=1000.0, message_burst=200)
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        client.send(b"".join(frame(TEXT, b"%d" % number) for number in range(200)))
        assert [await client.receive() for _ in range(200)] == [
            (0x81, b"%d" % number) for number in range(200)
        ]


async def test_a_read_full_of_pings_is_answered_in_turns_and_in_order(rig: Rig) -> None:
    number = TURN_FRAMES * 5 + 3
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        client.send(
            b"".join(frame(PING, b"%d" % count) for count in range(number)) + frame(TEXT, b"behind them")
        )

        for count in range(number):
            assert await client.receive() == (0x8A, b"%d" % count)
        assert await client.receive() == (0x81, b"behind them")
        assert not rig.connections()[0].paused


async def test_a_connection_that_is_closed_between_its_turns_still_ends_in_order(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        client.send(frame(PING) * (TURN_FRAMES * 5))
        await client.receive()
        rig.connections()[0].close(4000)
        client.send(frame(8, (4000).to_bytes(2, "big")))

        while (answer := await client.receive())[0] == 0x8A:
            pass
        assert answer == (0x88, (4000).to_bytes(2, "big"))
        assert await client.ended()
    await rig.layer.entry(DISCONNECT)
    assert disconnects(rig.layer)[0][1] == 4000


@pytest.mark.parametrize("failed", [True, False])
async def test_a_client_that_sends_on_behind_our_close_frame_is_cut_off_before_its_time(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch, failed: bool
) -> None:
    monkeypatch.setattr(inbound, "MAX_DISCARDED_BYTES", 1_000_000)
    rig = await make_rig(close_timeout_s=3600)
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        if failed:
            client.send(frame(TEXT, b"no mask", masked=False))
        else:
            rig.connections()[0].close(1002)
        assert await client.close_code() == 1002

        with pytest.raises(ConnectionError):
            while True:
                client.send(frame(TEXT, b"a") * 10_000)
                await client.writer.drain()
    await rig.layer.entry(DISCONNECT)
    # Most of it was not even looked at.
    assert rig.drops("closing") <= inbound.MAX_SEARCHED_BYTES // len(frame(TEXT, b"a"))


async def test_what_was_read_before_the_close_is_searched_no_further_either(rig: Rig) -> None:
    async with RawClient(*rig.address) as client:
        await client.upgrade()
        client.send(frame(PING) * 100_000)
        await client.receive()
        rig.connections()[0].close(4000)

        while (answer := await client.receive())[0] == 0x8A:
            pass
        assert answer == (0x88, (4000).to_bytes(2, "big"))
    await rig.layer.entry(DISCONNECT)
    assert rig.drops("closing") <= inbound.MAX_SEARCHED_BYTES // len(frame(PING))

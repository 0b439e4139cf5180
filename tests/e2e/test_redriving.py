"""Dead letters put back while two workers take what they can get."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tests.support.processes import Interface, Processes
from tests.support.sockets import Client, Socket
from tests.support.waiting import until
from trunkline.deploy.dead_changes import Changes, Result
from trunkline.deploy.dead_fields import fields
from trunkline.protocol.messages import DeadLetterRecord

EVENTS = 20


async def test_redriven_letters_of_a_connection_are_handled_in_its_order_and_may_fail_again(
    cluster: Processes, interface: Interface, client: Client, bystander: Socket
) -> None:
    async with cluster.operator() as layer:
        last = ([""] + [letter.id for letter in await layer.dead_letters(count=10_000)])[-1]

        async def found() -> list[DeadLetterRecord]:
            return await layer.dead_letters(last)

        async def backwards() -> AsyncIterator[DeadLetterRecord]:
            for letter in reversed(await found()):
                yield letter

        async def all_there() -> bool:
            return len(await found()) == EVENTS

        socket = await client.open(f"{interface.address}/trouble/redriven")
        for _ in range(EVENTS):
            await socket.send("raise")
        await until(all_there)
        told: list[Result] = []

        await Changes(layer, told.append).redrive(backwards(), 20.0)
        await until(all_there)
        letters = [fields(letter) for letter in await found()]
        await socket.send("still there")

        assert [result.outcome for result in told] == ["put_back"] * EVENTS
        assert [letter["redriven"] for letter in letters] == [1] * EVENTS
        assert [letter["connection"]["seq"] for letter in letters] == list(range(1, EVENTS + 1))
        assert await socket.hears(1) == ["still there"]
        for letter in letters:
            assert await layer.drop(letter["id"])

"""A shard is added to a cluster that lives, as docs/shards.md has it; in another order it is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.ledger import Ledger
from tests.faults.load import Load
from tests.faults.redises.direct import own_redis
from tests.faults.waits import SEVERAL
from tests.support.commands import Done, command
from tests.support.process import Process
from tests.support.processes import Interface, Processes, new_prefix
from tests.support.redis_server import MISSING, find_binary
from tests.support.waiting import until
from trunkline.protocol.names import Keys
from trunkline.protocol.redis_layer import shards

pytestmark = [pytest.mark.topologies, pytest.mark.timeout(240)]

APP = "tests.faults.app"
REPLIES = 200


class Growing:
    """A cluster that begins on the first of two Redises."""

    def __init__(self, urls: list[str], folder: Path) -> None:
        self.urls = urls
        self.prefix = new_prefix()
        self._folder = folder
        self.stages: list[Processes] = []

    def with_urls(self, *urls: str) -> Processes:
        """Processes that are told of these."""
        folder = self._folder / str(len(self.stages))
        folder.mkdir()
        self.stages.append(Processes(",".join(urls), self.prefix, folder))
        return self.stages[-1]

    async def shards(self, *arguments: str) -> Done:
        """``trunkline shards`` with both URLs."""
        where = ["--redis-url", ",".join(self.urls), "--prefix", self.prefix, "--run-dir", str(self._folder)]
        return await asyncio.to_thread(command, "shards", *where, *arguments)

    async def connections(self) -> list[int]:
        """How many accepted connections each shard has."""
        counts = []
        both = Processes(",".join(self.urls), self.prefix, self._folder)
        for shard in range(2):
            async with both.data(shard) as data:
                keys = Keys(self.prefix, shard)
                found = [key async for key in data.scan_iter(match=f"{keys.base}connections:*")]
                counts.append(sum([await data.hlen(key) for key in found]))
        return counts


@pytest.fixture
async def growing(tmp_path: Path) -> AsyncIterator[Growing]:
    binary = find_binary()
    if binary is None:
        pytest.fail(MISSING, pytrace=False)
    with ExitStack() as places:
        redises = [own_redis(places, binary) for _ in range(2)]
        made = Growing([redis.url for redis in redises], tmp_path)
        try:
            yield made
        finally:
            for stage in made.stages:
                stage.end()
            for redis in redises:
                redis.stop()


async def ends(process: Process) -> None:
    process.terminate()
    assert await process.ends() == 0, process.text()[-2000:]


def address(processes: Processes) -> str:
    (interface,) = [one for one in processes.interfaces if isinstance(one, Interface)]
    return interface.address


async def finished(load: Load) -> Ledger:
    """Ends a load and has the books of it; every frame is answered, heard in its room and told to the witness."""
    await load.finish()
    ledger = Ledger([talker.record for talker in load.talkers], load.witnessed, {}, sessions_lost=True)
    await until_settled(ledger)
    await load.hang_up()
    await load.all_gone(load.talkers, 20)
    return ledger


async def until_settled(ledger: Ledger) -> None:
    """Waits for what is on its way still."""
    for _ in range(100):
        owed = [entry for entry in ledger.entries() if entry.fault.kind == "lost"]
        if all(entry.column in ("sessions", "disconnects") for entry in owed):
            return
        await asyncio.sleep(0.1)


def check(ledger: Ledger) -> None:
    # The witness of one load hears of the other one too.
    faults = [
        entry for entry in ledger.entries() if entry.column != "sessions" and entry.fault.kind != "invented"
    ]
    assert not faults, "\n".join(map(str, faults[:10]))
    print(f"sent={ledger.sent} effects={ledger.effects}, none lost, doubled or reordered")


async def test_newcomers_use_a_shard_once_every_process_is_on_it(growing: Growing) -> None:
    first, second = growing.urls
    before = growing.with_urls(first)
    before.interface()
    before.worker(routing=APP)
    await before.ready()

    async with Load([address(before)], waits=SEVERAL) as load:
        await load.goes_on(REPLIES)
        assert (await growing.connections())[1] == 0

        # 1. Workers, which read both. The old ones go on beside them until they are stopped.
        after = growing.with_urls(first, second)
        after.worker(routing=APP)
        await after.ready()
        await load.goes_on(REPLIES)
        early = await growing.shards("--use", "2")
        assert early.code == 1
        assert all(name in early.err for name in (before.interfaces[0].id, before.workers[0].id))
        await ends(before.workers[0])
        await load.goes_on(REPLIES)

        # 2. Interface servers, which read their mailbox on both and let newcomers in on the old shard alone.
        after.interface()
        await after.ready()
        async with Load([address(after)], connections=8, waits=SEVERAL) as newcomers:
            await newcomers.goes_on(REPLIES // 4)
            assert (await growing.connections())[1] == 0
            refused = await growing.shards("--use", "2")
            assert refused.code == 1
            assert before.interfaces[0].id in refused.err
            assert after.interfaces[0].id not in refused.err
            check(await finished(newcomers))
        check(await finished(load))
    await ends(before.interfaces[0])

    # 3. And only now the new one.
    done = await growing.shards("--use", "2")
    assert done.code == 0, done.printed
    interface = after.interfaces[0]

    async def second_is_used() -> bool:
        # An interface server looks once a second.
        async with Load([address(after)], connections=2, waits=SEVERAL) as newcomers:
            await newcomers.goes_on(2)
            used = (await growing.connections())[1] > 0
            check(await finished(newcomers))
            return used

    await until(second_is_used, 30)
    async with Load([address(after)], waits=SEVERAL) as load:
        await load.goes_on(REPLIES)
        on_first, on_second = await growing.connections()
        assert on_second > 0, f"{on_first} and {on_second} after {interface.text()[-500:]}"
        check(await finished(load))
    assert not (complaints := after.complaints()), "\n".join(complaints)

    # What would be wrong from now on is refused.
    for urls, reason in (
        ((first,), "2 are in use"),
        ((second, first), "holds shard"),
        ((second,), "holds shard"),
    ):
        wrong = growing.with_urls(*urls)
        worker = wrong.worker(routing=APP)
        assert await worker.ends() == 2
        assert reason in worker.text()
    shown = await growing.shards("--json")
    assert '"used": 2' in shown.out


async def test_the_command_tells_what_it_cannot_do(growing: Growing) -> None:
    settings = growing.with_urls(*growing.urls).settings
    await shards.agree(settings)

    for number, expected in (("3", "expected at most 2"), ("0", "expected")):
        done = await growing.shards("--use", number)
        assert done.code == 2
        assert expected in done.err
    table = await growing.shards()
    assert table.code == 0
    assert [line.split()[:2] for line in table.out.splitlines()] == [
        ["SHARD", "USED"],
        ["0", "yes"],
        ["1", "yes"],
    ]

"""Plays one case: load, fault, recovery, and the ledger in the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from tests.faults.cases import Case
from tests.faults.cluster import Cluster
from tests.faults.ledger import Entry, Ledger, anything
from tests.faults.load import Load, Talker
from tests.faults.promises import Form, Promises
from tests.faults.scene import MEMORABLE, Scene
from tests.support.waiting import until

SHOWN = 15
"""Faults that a failure spells out."""
WARM = 300
"""Replies before the fault."""
LOOK_S = 0.1
BURIED_WITHIN_S = 6.0
"""How long no disconnect of a dead interface server may have come, of which the first does when it is buried, until the
rest is called lost."""


class Result(NamedTuple):
    """A row of the matrix.

    Attributes:
        case: its name.
        sent: events that clients sent.
        effects: that were seen.
        lost: effects that were owed.
        twice: effects that were seen again.
        reordered: effects in a wrong order.
        recovery_s: see `Case.within_s`.
        within_s: its bound.
        detail: how many faults of each kind each column has, where the case allows any.
    """

    case: str
    sent: int
    effects: int
    lost: int
    twice: int
    reordered: int
    recovery_s: float
    within_s: float
    detail: str


async def play(cluster: Cluster, case: Case) -> Result:
    """Plays a case.

    Raises:
        AssertionError: a promise was broken; the text says which, and how.
    """
    await cluster.start()
    if case.on_track:
        await cluster.put_on_a_track()
    async with Load(cluster.addresses, case.path, waits=cluster.redises.waits) as load:
        scene = Scene(cluster, load)
        await load.goes_on(WARM)
        if case.promises.forgets:
            await scene.has_a_past()
        await case.strike(scene)
        if case.ends_sockets and not case.may_keep_sockets:
            await asyncio.gather(*(talker.gone() for talker in scene.victims))
        await settle(scene)
        await load.everybody_goes_on()
        if case.promises.forgets:
            await scene.has_a_future()
        await _all_gone(load, case, [talker for talker in scene.victims if talker.record.cut])
        await load.finish()
        ledger = await end(cluster, load, case.promises, case.within_s, scene.may_be_forgotten())
    cut = [talker.record.name for talker in load.talkers if talker.record.cut]
    expected = [talker.record.name for talker in scene.victims] if case.ends_sockets else []
    assert cut == expected or (case.may_keep_sockets and not cut), (
        f"the server ended {sorted(set(cut) ^ set(expected))[:5]} and others"
    )
    check(ledger, case, scene)
    await _nothing_left(cluster)
    assert not (complaints := cluster.processes.complaints()), "\n".join(complaints)
    return _result(case, scene, ledger)


async def _all_gone(load: Load, case: Case, cut: Sequence[Talker]) -> None:
    """Waits for the disconnects of connections that were cut; where Redis may have forgotten some, for what comes."""
    if case.promises.disconnects is Form.AROUND:
        await _comes_to_rest(lambda: load.missing(cut), BURIED_WITHIN_S)
    else:
        await load.all_gone(cut)


async def _comes_to_rest(owed: Callable[[], int], within_s: float) -> None:
    """Waits until nothing is owed any more, or less has not been for a while: what Redis forgot never comes."""
    clock = asyncio.get_running_loop().time
    since_s, before = clock(), -1
    while (now := owed()) and clock() - since_s < within_s:
        if now != before:
            since_s, before = clock(), now
        await asyncio.sleep(LOOK_S)


async def settle(scene: Scene) -> None:
    """Waits for those who were declared dead and live, and for those who end."""
    for node in (*scene.fenced, *scene.buried):
        await scene.cluster.until_ready(node)
    for node in scene.leaving:
        code = await node.process.ends()
        assert code == 0, f"{node.process.name} ends with {code}:\n{node.process.text()[-3000:]}"


async def end(
    cluster: Cluster,
    load: Load,
    promises: Promises,
    within_s: float,
    may_be_forgotten: Callable[[str, int], bool] = anything,
) -> Ledger:
    """Waits for what is still on its way; then closes every connection and waits for its disconnect.

    Args:
        cluster: of the case.
        load: finished.
        promises: of the case.
        within_s: its bound. So long nothing may have come of what is promised until it is called lost: a worker that a
            busy machine holds up is taken for dead, and another handles its entries within that.
        may_be_forgotten: as for `Ledger.broken`.
    """
    sessions = await cluster.sessions()
    records = [talker.record for talker in load.talkers]

    def ledger() -> Ledger:
        return Ledger(records, load.witnessed, sessions, sessions_lost=promises.sessions is Form.AROUND)

    def outstanding(entries: Iterable[Entry]) -> int:
        columns = ("groups", "early", "background")
        return sum(entry.fault.kind == "lost" for entry in entries if entry.column in columns)

    await _comes_to_rest(lambda: outstanding(ledger().entries()), load.waits.arrives_s)
    await _comes_to_rest(lambda: outstanding(ledger().broken(promises, may_be_forgotten)), within_s)
    open_ones = [talker for talker in load.talkers if not talker.record.cut]
    await load.hang_up()
    await load.all_gone(open_ones)
    return ledger()


def check(ledger: Ledger, case: Case, scene: Scene) -> None:
    """Asserts that every promise was kept."""
    if case.promises.forgets:
        assert min(scene.remembered()) >= MEMORABLE, f"{scene.remembered()} frames are held to every promise"
    broken = ledger.broken(case.promises, scene.may_be_forgotten())
    if broken:
        shown = "\n".join(f"  {entry}" for entry in broken[:SHOWN])
        raise AssertionError(f"{case.name}: {counted(broken)}\n{shown}")


def counted(entries: Sequence[Entry]) -> str:
    """Faults by column and kind."""
    kinds = Counter((entry.column, entry.fault.kind) for entry in entries)
    return ", ".join(f"{column} {kind} {count}" for (column, kind), count in sorted(kinds.items()))


async def _nothing_left(cluster: Cluster) -> None:
    """Waits until Redis holds nothing of connections that are closed and processes that are dead."""
    left: list[str] = []

    async def clean() -> bool:
        left[:] = await cluster.leaks()
        return not left

    try:
        await until(clean, cluster.redises.waits.clean_s, "nothing is left")
    except AssertionError:
        raise AssertionError(f"left in Redis: {left}") from None


def _result(case: Case, scene: Scene, ledger: Ledger) -> Result:
    from_s = scene.struck_s if case.from_strike else scene.mended_s or scene.struck_s
    recovery_s = scene.load.recovery_s(from_s)
    if cut := [talker for talker in scene.victims if talker.record.cut]:
        handled_s = sorted(scene.load.gone_s)[: len(cut)]
        recovery_s = max([recovery_s, *(last_s - scene.struck_s for last_s in handled_s[-1:])])
    entries = [entry for entry in ledger.entries() if entry.column != "events"]
    kinds = [entry.fault.kind for entry in entries]
    return Result(
        case.name,
        ledger.sent,
        ledger.effects,
        kinds.count("lost"),
        kinds.count("doubled"),
        kinds.count("reordered") + kinds.count("invented"),
        recovery_s,
        case.within_s,
        counted(entries),
    )

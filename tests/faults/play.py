"""Plays one case: load, fault, recovery, and the ledger in the end."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from tests.faults.cases import Case
from tests.faults.cluster import Cluster
from tests.faults.ledger import Entry, Ledger
from tests.faults.load import Load
from tests.faults.promises import Form
from tests.faults.scene import Scene
from tests.support.waiting import until

SHOWN = 15
"""Faults that a failure spells out."""
WARM = 300
"""Replies before the fault."""
ARRIVES_WITHIN_S = 5.0
"""How long group sends and background messages may be on their way when every reply has come."""


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
    """

    case: str
    sent: int
    effects: int
    lost: int
    twice: int
    reordered: int
    recovery_s: float
    within_s: float


async def play(cluster: Cluster, case: Case) -> Result:
    """Plays a case.

    Raises:
        AssertionError: a promise was broken; the text says which, and how.
    """
    await cluster.start()
    async with Load(cluster.addresses, case.path) as load:
        scene = Scene(cluster, load)
        await load.goes_on(WARM)
        await case.strike(scene)
        if case.ends_sockets:
            await load.all_gone(scene.victims, 20)
            await asyncio.gather(*(talker.gone() for talker in scene.victims))
        await load.everybody_goes_on()
        await settle(scene)
        await load.finish()
        ledger = await _last_look(scene, case)
    cut = [talker.record.name for talker in load.talkers if talker.record.cut]
    expected = [talker.record.name for talker in scene.victims] if case.ends_sockets else []
    assert cut == expected, f"the server ended {sorted(set(cut) ^ set(expected))[:5]} and others"
    check(ledger, case)
    await _nothing_left(cluster)
    assert not (complaints := cluster.processes.complaints()), "\n".join(complaints)
    return _result(case, scene, ledger)


async def settle(scene: Scene) -> None:
    """Waits for those who were declared dead and live, and for those who end."""
    for node in (*scene.fenced, *scene.buried):
        await scene.cluster.until_ready(node)
    for node in scene.leaving:
        code = await node.process.ends()
        assert code == 0, f"{node.process.name} ends with {code}:\n{node.process.text()[-3000:]}"


async def _last_look(scene: Scene, case: Case) -> Ledger:
    """Waits for what is still on its way; then closes every connection and waits for its disconnect."""
    load = scene.load
    sessions = await scene.cluster.sessions()
    records = [talker.record for talker in load.talkers]
    lost = case.promises.sessions is Form.AROUND

    def ledger() -> Ledger:
        return Ledger(records, load.witnessed, sessions, sessions_lost=lost)

    def arrived() -> bool:
        columns = ("groups", "early", "background")
        return not any(
            entry.fault.kind == "lost" and not case.promises.of(entry.column).allows("lost")
            for entry in ledger().entries()
            if entry.column in columns
        )

    deadline_s = asyncio.get_running_loop().time() + ARRIVES_WITHIN_S
    while not arrived() and asyncio.get_running_loop().time() < deadline_s:
        await asyncio.sleep(0.1)
    open_ones = [talker for talker in load.talkers if not talker.record.cut]
    await load.hang_up()
    await load.all_gone(open_ones, 10)
    return ledger()


def check(ledger: Ledger, case: Case) -> None:
    """Asserts that every promise was kept."""
    broken = ledger.broken(case.promises)
    if broken:
        kinds = sorted({(entry.column, entry.fault.kind) for entry in broken})
        counts = ", ".join(f"{column} {kind}={_count(broken, column, kind)}" for column, kind in kinds)
        shown = "\n".join(f"  {entry}" for entry in broken[:SHOWN])
        raise AssertionError(f"{case.name}: {counts}\n{shown}")


def _count(entries: list[Entry], column: str, kind: str) -> int:
    return sum(entry.column == column and entry.fault.kind == kind for entry in entries)


async def _nothing_left(cluster: Cluster) -> None:
    """Waits until Redis holds nothing of connections that are closed and processes that are dead."""
    left: list[str] = []

    async def clean() -> bool:
        left[:] = await cluster.leaks()
        return not left

    try:
        await until(clean, 10, "nothing is left")
    except AssertionError:
        raise AssertionError(f"left in Redis: {left}") from None


def _result(case: Case, scene: Scene, ledger: Ledger) -> Result:
    from_s = scene.mended_s or scene.struck_s
    recovery_s = scene.load.recovery_s(from_s)
    if case.ends_sockets:
        last_s = sorted(scene.load.gone_s)[len(scene.victims) - 1]
        recovery_s = max(recovery_s, last_s - scene.struck_s)
    kinds = [entry.fault.kind for entry in ledger.entries() if entry.column != "events"]
    return Result(
        case.name,
        ledger.sent,
        ledger.effects,
        kinds.count("lost"),
        kinds.count("doubled"),
        kinds.count("reordered") + kinds.count("invented"),
        recovery_s,
        case.within_s,
    )

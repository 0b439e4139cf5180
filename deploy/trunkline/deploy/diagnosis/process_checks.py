"""What can be wrong with interface servers and workers: silent, late, saturated, unlike each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from trunkline.protocol.process.facts import Facts, ProcessFacts
from trunkline.protocol.settings import LayerSettings

from .finding import Finding, percent

LATE_S: Final = 0.5
VERY_LATE_S: Final = 2.0
SATURATED: Final = 0.9
LEASE_SHARE: Final = 0.25
"""A lease is renewed long before so little of it is left."""
MAILBOX: Final = 1000
MAILBOX_SHARE: Final = 0.5
HOT_SHARE: Final = 0.5
HOT_SENDS: Final = 8
HOT_MEMBERS: Final = 1000
HOT_FRAMES_PER_S: Final = 5000.0
REFUSED: Final = "Cannot connect to host"
"""aiohttp's words where nobody took the connection. A process that is merely busy lets the kernel take it."""


def place(process: ProcessFacts) -> str:
    """A process as people find it."""
    return f"{process.role} {process.id} [{process.lease.pid}] on {process.lease.host}"


def missing(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """A tier of which nobody lives."""
    for role, processes, what in (
        ("interface", facts.interfaces, "no interface server holds a lease: nobody can connect"),
        ("worker", facts.workers, "no worker holds a lease: nothing is handled, everything waits"),
    ):
        if not processes:
            yield Finding(
                "missing",
                "error",
                "cluster",
                what,
                f"'trunkline scale --{role}s 2', or start 'trunkline {role}' with this --redis-url and --prefix; "
                "if some run, they have another",
            )


def silent(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """Processes that hold their lease and do not answer."""
    for process in facts.processes:
        if process.answers:
            continue
        elsewhere = process.lease.host != facts.machine.host
        if elsewhere and process.lease.admin.startswith(("127.", "localhost", "[::1]")):
            yield Finding(
                "silent",
                "note",
                place(process),
                f"its admin server listens on {process.lease.admin} of another machine, so nothing is known of it here",
                "give it an --admin-host that this machine reaches, inside your network; or run this command there",
            )
        elif REFUSED in process.error:
            yield Finding(
                "silent",
                "error",
                place(process),
                f"it holds a lease and cannot be reached at {process.lease.admin} from here ({process.error}): it has "
                "just died, or runs in a container or a network of its own",
                "look again in a few seconds; if it is still there, give it an --admin-host, and where ports are "
                "mapped an --admin-advertise, that is reached from here",
            )
        elif process.role == "worker":
            yield Finding(
                "silent",
                "error",
                place(process),
                f"it renews its lease and does not answer ({process.error}): most likely a 'def' handler holds "
                "its event loop",
                "'trunkline logs --role worker' names a handler that is stuck; what waits behind it is given to "
                "others, but make it 'async def', or start workers with --threads",
            )
        else:
            yield Finding(
                "silent",
                "error",
                place(process),
                f"it renews its lease and does not answer ({process.error})",
                "it has no CPU, or was stopped: look at 'top' on its machine and at 'trunkline logs --role interface'",
            )


def late(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """Event loops that were held."""
    for process in facts.processes:
        lag_s = process.loop_lag_s
        if lag_s >= LATE_S:
            fix = (
                "a 'def' handler that waits for something: make it 'async def', or start workers with --threads; "
                "'trunkline top' shows the slowest routes"
                if process.role == "worker"
                else "its machine has no CPU to spare: fewer processes on it, or more machines"
            )
            yield Finding(
                "loop-lag",
                "error" if lag_s >= VERY_LATE_S else "warning",
                place(process),
                f"its event loop was late by {lag_s:.1f} s",
                fix,
            )


def saturated(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """A tier that can do no more."""
    for role, processes, fix in (
        ("workers", facts.workers, "'trunkline scale --workers N'; trunkline_desired_workers tells how many"),
        ("interface servers", facts.interfaces, "'trunkline scale --interfaces N', on cores that are free"),
    ):
        shares = [process.saturation for process in processes if process.answers]
        if shares and min(shares) >= SATURATED:
            yield Finding(
                "saturated",
                "error",
                role,
                f"all {len(shares)} that answer do what they can ({percent(sum(shares) / len(shares))} on average)",
                fix,
            )


def leases(facts: Facts, settings: LayerSettings) -> Iterator[Finding]:
    """Leases that are about to end, or have."""
    limits = {"interface": settings.interface_lease_s, "worker": settings.worker_lease_s}
    known = {process.id: process for process in facts.processes}
    for server in facts.servers:
        for name, left_s in server.leases.items():
            process = known.get(name)
            role = "interface" if name.startswith("i") else "worker"
            where = place(process) if process is not None else f"{role} {name}"
            if server.shard is not None:
                where += f", shard {server.shard}"
            fix = (
                "a process that died is declared dead within seconds, and its work taken over: look again. One that "
                "lives has no CPU or does not reach Redis: see its log"
            )
            if left_s < 0:
                what = f"its lease ended {-left_s:.1f} s ago: it is suspected to be dead"
                yield Finding("lease", "error", where, what, fix)
            elif left_s < LEASE_SHARE * limits[role]:
                what = f"its lease ends in {left_s:.1f} s: it should have been renewed long ago"
                yield Finding("lease", "warning", where, what, fix)


def partial(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """Processes that are not on every shard."""
    for process in facts.processes:
        if process.lacks:
            shards = ", ".join(map(str, process.lacks))
            yield Finding(
                "not-on-shard",
                "warning",
                place(process),
                f"it holds no lease on shard {shards}",
                "it joins within seconds if it was started while that shard was away; else it was told of fewer URLs: "
                "start it again with all of them. docs/shards.md has the order in which a shard is added",
            )


def layer(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """Processes for which a Redis is away that answers this command."""
    several = any(server.shard is not None for server in facts.servers)
    for process in facts.processes:
        missed = [shard for shard in process.cut_off if shard not in facts.away]
        if missed:
            which = f"shard {', '.join(map(str, missed))}" if several else "Redis"
            yield Finding(
                "redis-away",
                "error",
                place(process),
                f"it says that {which} does not answer it",
                "its connection is broken or Redis is busy for it alone: see its log, and the network between them",
            )


def mailboxes(facts: Facts, settings: LayerSettings) -> Iterator[Finding]:
    """Interface servers that are behind with their mailboxes."""
    for process in facts.interfaces:
        length = facts.mailboxes.get(process.id, 0)
        lag_s = process.now.total("trunkline_mailbox_lag_seconds")
        # What was read is cut off once a second: a long mailbox that is read is no lag.
        full = length >= MAILBOX_SHARE * settings.mailbox_capacity
        shard = facts.mailboxes_on.get(process.id)
        which = "its mailbox" if shard is None else f"its mailbox on shard {shard}"
        if full or (lag_s >= LATE_S and length >= MAILBOX):
            yield Finding(
                "mailbox",
                "error" if full or lag_s >= VERY_LATE_S else "warning",
                place(process),
                f"it is {lag_s:.1f} s behind with {which}, which holds {length} of at most "
                f"{settings.mailbox_capacity} entries; it uses {percent(process.cpu)} of a core",
                "more interface servers, if they have all they can do; fewer or smaller sends, if groups are large. A "
                "mailbox over its bound fences its interface server",
            )


def hot_group(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """A group that most of the work is for."""
    hot = facts.hot_group
    if hot is None or hot.share < HOT_SHARE or hot.sends < HOT_SENDS:
        return
    members = max((process.now.total("trunkline_largest_group") for process in facts.interfaces), default=0.0)
    frames_per_s = facts.per_s("trunkline_messages_out_total")
    if members >= HOT_MEMBERS or frames_per_s >= HOT_FRAMES_PER_S:
        yield Finding(
            "hot-group",
            "warning",
            f"group {hot.group}",
            f"{percent(hot.share)} of what was posted lately is for it; the largest group has {members:.0f} members on "
            f"one interface server, and {frames_per_s:,.0f} frames a second go out",
            "send to it less often, several messages as one; let its connections be 'latest_only' or 'drop_oldest'; "
            "split it, or spread its members over more interface servers",
        )


def versions(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """Processes of different versions."""
    for check, what, found, fix in (
        ("versions", "Trunkline", [process.lease.version for process in facts.processes], "of Trunkline"),
        ("code-versions", "the application", [worker.lease.code for worker in facts.workers], "of your code"),
    ):
        counted = Counter(found)
        if len(counted) > 1:
            yield Finding(
                check,
                "warning" if check == "versions" else "note",
                "cluster",
                f"processes run different versions of {what}: {_counted(counted, found)}",
                f"well while an upgrade is on its way; else restart those that run an old version {fix}",
            )


def _counted(counted: Counter[str], found: Sequence[str]) -> str:
    return ", ".join(
        f"{name or 'unknown'} ({count} of {len(found)})" for name, count in counted.most_common()
    )

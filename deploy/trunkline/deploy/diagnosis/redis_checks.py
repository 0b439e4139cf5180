"""What can be wrong with a Redis: its settings, its memory, its time, what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from trunkline.protocol.process.facts import Facts, ServerFacts
from trunkline.protocol.settings import LayerSettings

from .finding import Finding, counted, megabytes, percent

FULL: Final = 0.8
NEARLY_FULL: Final = 0.95
BUSY: Final = 0.7
TOO_BUSY: Final = 0.9
"""Of one core: a Redis runs its commands on one."""
BUFFER_BYTES: Final = 64 * 1024 * 1024
"""A connection may have to hold some commits of 4 MiB, and what a mailbox holds when its reader was away."""
UNREAD_BYTES: Final = 16 * 1024 * 1024
SLOW_S: Final = 0.05
"""Everybody waits while a command runs."""
RECENT_S: Final = 300.0
FORK_S: Final = 0.5
WAITS: Final = (
    "Connections that live there stay open and wait, and lose nothing; newcomers use the other shards"
)
ROUND_TRIP_S: Final = 0.25
"""Each step of a message waits as long as an answer takes."""
CONF: Final = "in redis.conf too, or it is forgotten at the next start"


def away(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """Shards that do not answer, while others do."""
    for shard, why in sorted(facts.away.items()):
        yield Finding("redis", "error", f"shard {shard}", why, unanswered(why, WAITS))


def unanswered(why: str, meanwhile: str) -> str:
    """What to do about a Redis that does not answer.

    Args:
        why: as the layer says it.
        meanwhile: what holds until it does.
    """
    if "user " in why and ("may not" in why or "not let in" in why):
        return "mend user and password in --redis-url, or the user's rights: docs/redis.md has the ACL line"
    return (
        "is it running, and is this its address? --redis-url, TRUNKLINE_REDIS_URL or REDIS_URL say where it is; "
        f"'redis-cli PING' and Redis' own log tell more. {meanwhile}"
    )


def eviction(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """A Redis that makes room by throwing keys away."""
    for server in facts.servers:
        policy = str(server.info.get("maxmemory_policy", ""))
        if policy and policy != "noeviction":
            yield Finding(
                "eviction",
                "error",
                server.where,
                f"maxmemory-policy is {policy}: when its memory is full it throws away messages that were accepted",
                f"redis-cli CONFIG SET maxmemory-policy noeviction, {CONF}",
            )
        evicted = server.number("evicted_keys")
        if evicted:
            yield Finding(
                "eviction",
                "error",
                server.where,
                f"it has thrown {evicted:.0f} keys away since its start",
                "give it more memory (maxmemory) and maxmemory-policy noeviction; what is gone is gone",
            )


def persistence(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """A Redis that forgets at a restart, or cannot write down what it should keep."""
    for server in facts.servers:
        if "aof_enabled" in server.info and not server.number("aof_enabled"):
            yield Finding(
                "persistence",
                "warning",
                server.where,
                "there is no append-only file: a restart forgets what waits, sessions and dead letters",
                f"redis-cli CONFIG SET appendonly yes, {CONF}",
            )
        elif server.config.get("appendfsync") == "no":
            yield Finding(
                "persistence",
                "warning",
                server.where,
                "appendfsync is no: a machine that fails takes half a minute of messages with it",
                f"redis-cli CONFIG SET appendfsync everysec (or always), {CONF}",
            )
        for field, what in (
            ("aof_last_write_status", "the append-only file could not be written"),
            ("aof_last_bgrewrite_status", "the append-only file could not be rewritten, so it grows"),
            (
                "rdb_last_bgsave_status",
                "the last snapshot failed; with stop-writes-on-bgsave-error it takes no writes",
            ),
        ):
            if str(server.info.get(field, "ok")) != "ok":
                yield Finding(
                    "persistence",
                    "error",
                    server.where,
                    what,
                    "look into Redis' log; most often its disk is full",
                )
        if server.grown("aof_delayed_fsync"):
            yield Finding(
                "persistence",
                "warning",
                server.where,
                f"its disk kept the append-only file waiting {server.grown('aof_delayed_fsync'):.0f} times just now",
                "give Redis a disk of its own, or a faster one",
            )


def output_buffers(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """A bound at which Redis cuts connections of processes, and processes that do not read."""
    for server in facts.servers:
        limit = _hard_limit(server)
        if 0 < limit < BUFFER_BYTES:
            yield Finding(
                "output-buffers",
                "warning",
                server.where,
                f"client-output-buffer-limit of normal clients is {megabytes(limit)}: a process that was away for a "
                "moment is cut off instead of reading on",
                f"redis-cli CONFIG SET client-output-buffer-limit 'normal 0 0 0', {CONF}",
            )
        for client, waiting in server.clients.items():
            if waiting > UNREAD_BYTES:
                yield Finding(
                    "output-buffers",
                    "warning",
                    server.where,
                    f"a connection named {client or '(none)'} has {megabytes(waiting)} unread",
                    "its process reads too slowly: see what else is said of it; redis-cli CLIENT LIST has its address",
                )


def _hard_limit(server: ServerFacts) -> float:
    words = server.config.get("client-output-buffer-limit", "").split()
    found = dict(zip(words[::4], words[1::4], strict=False))
    return float(found.get("normal", "0") or 0)


def memory(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """A Redis that has little memory left."""
    for server in facts.servers:
        used, bound = server.number("used_memory"), server.number("maxmemory")
        what = "maxmemory"
        if not bound:
            used, bound = server.number("used_memory_rss"), server.number("total_system_memory")
            what = "the machine's memory, and no maxmemory is set"
        if bound and used / bound >= FULL:
            yield Finding(
                "memory",
                "error" if used / bound >= NEARLY_FULL else "warning",
                server.where,
                f"it uses {percent(used / bound)} of {what} ({megabytes(used)} of {megabytes(bound)}); "
                "at 100 % every message is refused",
                "see what grows here (queues, dead letters, delayed messages); else raise maxmemory, or the machine's "
                "memory",
            )


def processor(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """A Redis whose one core is busy."""
    for server in facts.servers:
        if server.cpu >= BUSY:
            most = sorted(server.usec().items(), key=lambda item: -item[1])[:3]
            yield Finding(
                "redis-cpu",
                "error" if server.cpu >= TOO_BUSY else "warning",
                server.where,
                f"its main thread uses {percent(server.cpu)} of the one core it can use"
                + (f", most of it for {', '.join(name for name, _ in most)}" if most else ""),
                "another Redis beside it (several URLs in --redis-url), a faster core, or fewer and larger messages",
            )


def slow_commands(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """Commands during which everybody else waits."""
    for server in facts.servers:
        now_s = facts.at_s + server.clock_off_s
        slow = [
            command
            for command in server.slow
            if command.took_s >= SLOW_S and now_s - command.at_s <= RECENT_S
        ]
        if slow:
            worst = max(slow, key=lambda command: command.took_s)
            yield Finding(
                "slow-commands",
                "warning",
                server.where,
                f"{counted(len(slow), 'command')} of the last minutes took over {SLOW_S * 1000:.0f} ms, during which "
                f"everybody waits; the worst {worst.took_s * 1000:.0f} ms: {worst.words}",
                "KEYS, SORT or a large DEL are somebody else's: give them another Redis. A script of Trunkline, or a "
                "small command such as INFO, that is slow shows a machine without CPU to spare, or messages of "
                "megabytes",
            )
        if server.number("latest_fork_usec") / 1e6 > FORK_S:
            yield Finding(
                "slow-commands",
                "warning",
                server.where,
                f"its last fork, for a snapshot or a rewrite, stopped it for "
                f"{server.number('latest_fork_usec') / 1e6:.1f} s",
                "switch transparent huge pages off, give it less to hold, or take snapshots on a replica",
            )


def slow_answers(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """A Redis that answers late, each time it is asked."""
    for server in facts.servers:
        before_s = server.before.round_trip_s if server.before is not None else server.round_trip_s
        took_s = min(before_s, server.round_trip_s)
        if took_s >= ROUND_TRIP_S:
            yield Finding(
                "slow-answers",
                "warning",
                server.where,
                f"an answer takes {took_s * 1000:.0f} ms: a message waits for six of them, one after the other",
                "is it far away, or the network between full? Its machine may have no CPU or swap, or a disk that "
                "holds up the append-only file: look at 'redis-cli --latency' there",
            )


def rights(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """A user that may not do what a cluster needs."""
    for server in facts.servers:
        if server.lacking:
            yield Finding(
                "rights",
                "error",
                server.where,
                f"this user may not run {', '.join(server.lacking)}",
                "docs/redis.md has the ACL line a cluster needs: ACL SETUSER … +"
                + " +".join(name.lower().replace(" ", "|") for name in server.lacking),
            )
        # Some of these are what the doctor itself tried.
        asked = {"CONFIG", "CONFIG GET", "SLOWLOG", "SLOWLOG GET", "CLIENT", "CLIENT LIST", "CLIENT SETINFO"}
        refused = {name: count for name, count in server.rejected().items() if name not in asked}
        if refused and _grown_part(server, "errorstat_NOPERM"):
            yield Finding(
                "rights",
                "warning",
                server.where,
                "it refuses somebody commands for want of permission: "
                + ", ".join(f"{name} ({count:.0f})" for name, count in sorted(refused.items())),
                "redis-cli ACL LOG tells whom; docs/redis.md has the ACL line a cluster needs",
            )


def _grown_part(server: ServerFacts, field: str) -> float:
    def count(of: ServerFacts | None) -> float:
        value = of.info.get(field) if of is not None else None
        return float(value.get("count", 0)) if isinstance(value, dict) else 0.0

    return count(server) - count(server.before) if server.before is not None else 0.0


def connections(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """A Redis that takes no more connections, or is no primary, or not ready."""
    for server in facts.servers:
        clients, bound = server.number("connected_clients"), float(server.config.get("maxclients", 0) or 0)
        bound = bound or server.number("maxclients")
        if bound and clients / bound >= FULL:
            yield Finding(
                "redis-connections",
                "error",
                server.where,
                f"{clients:.0f} of at most {bound:.0f} connections are open (maxclients)",
                f"redis-cli CONFIG SET maxclients {bound * 2:.0f}, {CONF}; a process has about six",
            )
        if server.grown("rejected_connections"):
            yield Finding(
                "redis-connections",
                "error",
                server.where,
                f"it turned {server.grown('rejected_connections'):.0f} connections away just now",
                "raise maxclients",
            )
        if server.info.get("role") == "slave":
            yield Finding(
                "redis-connections",
                "error",
                server.where,
                "it is a replica, which takes no writes",
                "name the primary in --redis-url, or the sentinels that know it",
            )
        if server.number("loading"):
            yield Finding(
                "redis-connections",
                "error",
                server.where,
                "it is still loading its data and answers nothing else",
                "wait; an append-only file that is rewritten more often loads faster (auto-aof-rewrite-min-size)",
            )

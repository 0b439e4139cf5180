"""Every check there is, and what they make of a cluster's facts."""

from __future__ import annotations

from typing import Final

from trunkline.protocol.process.facts import Facts
from trunkline.protocol.settings import LayerSettings

from . import machine_checks, process_checks, queue_checks, redis_checks
from .finding import Check, Finding, percent

CHECKS: Final[tuple[Check, ...]] = (
    redis_checks.away,
    process_checks.missing,
    process_checks.layer,
    redis_checks.connections,
    redis_checks.rights,
    redis_checks.eviction,
    redis_checks.persistence,
    redis_checks.memory,
    redis_checks.output_buffers,
    redis_checks.processor,
    redis_checks.slow_commands,
    redis_checks.slow_answers,
    process_checks.leases,
    process_checks.partial,
    process_checks.silent,
    process_checks.late,
    process_checks.saturated,
    process_checks.mailboxes,
    process_checks.hot_group,
    process_checks.versions,
    queue_checks.unserved,
    queue_checks.growing,
    queue_checks.dead_letters,
    queue_checks.newcomers,
    machine_checks.clocks,
    machine_checks.file_descriptors,
    machine_checks.listen_queues,
    machine_checks.kernel,
)
"""Of findings that are equally bad those of the first come first: what they find is the cause of others more often."""

_ORDER: Final = ("error", "warning", "note")


def diagnose(facts: Facts, settings: LayerSettings) -> list[Finding]:
    """What is wrong, the worst first.

    Args:
        facts: of two looks, the later one deep.
        settings: of the cluster as far as they are known: its bounds and leases.
    """
    if facts.unavailable:
        return [_away(facts)]
    found = [finding for check in CHECKS for finding in check(facts, settings)]
    return sorted(found, key=lambda finding: _ORDER.index(finding.severity))


def _away(facts: Facts) -> Finding:
    fix = redis_checks.unanswered(facts.unavailable, "Sockets stay open meanwhile, and nothing is lost")
    return Finding("redis", "error", "Redis", facts.unavailable, fix)


def busiest(facts: Facts) -> list[tuple[str, float]]:
    """What could be the bottleneck, with the share of what it can do that it does; the busiest first."""
    parts = [
        ("Redis" if server.shard is None else f"shard {server.shard}", server.cpu) for server in facts.servers
    ]
    for name, processes in (("workers", facts.workers), ("interface servers", facts.interfaces)):
        shares = [process.saturation for process in processes if process.answers]
        if shares:
            parts.append((name, sum(shares) / len(shares)))
    return sorted(parts, key=lambda part: -part[1])


def busiest_text(facts: Facts) -> str:
    """The same in a line."""
    return ", ".join(f"{name} {percent(share)}" for name, share in busiest(facts))

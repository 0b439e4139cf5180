"""What can be wrong with queues: nobody takes, more comes than goes, messages fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from trunkline.protocol.process.facts import Facts
from trunkline.protocol.settings import LayerSettings

from .finding import Finding, counted, percent

WAITS_S: Final = 1.0
ABANDONED_S: Final = 5.0
GROWS_PER_S: Final = 1.0
FULL: Final = 0.8


def unserved(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """Channels with entries that no worker reads."""
    for channel in facts.channels:
        if not channel.waiting:
            continue
        abandoned = (
            channel.served_by is None
            and not channel.in_work
            and not channel.handled_per_s
            and channel.oldest_s >= ABANDONED_S
        )
        if (channel.served_by == 0 and facts.workers) or abandoned:
            yield Finding(
                "unserved",
                "error",
                f"channel {channel.channel}",
                f"{channel.waiting} entries wait, the oldest for {channel.oldest_s:.0f} s, and no worker reads it",
                "start a worker whose routing has a route for it; look at --only-channels and --exclude-channels of "
                "those that run",
            )


def growing(facts: Facts, settings: LayerSettings) -> Iterator[Finding]:
    """Channels in which entries wait for long, or ever more of them."""
    for channel in facts.channels:
        wait_s = channel.wait_s or 0.0
        # Each shard has a stream of its own, with a bound of its own.
        entries = channel.fullest or channel.waiting + channel.in_work
        held = entries / settings.capacity
        if held >= FULL:
            yield Finding(
                "queue",
                "error",
                f"channel {channel.channel}",
                f"it holds {entries} entries{_on(channel.fullest_shard)}, {percent(held)} of --capacity: soon messages "
                "are refused",
                "more workers, or quicker handlers; a larger --capacity only puts it off",
            )
        elif wait_s >= WAITS_S and channel.served_by != 0:
            grows = channel.growth_per_s >= GROWS_PER_S
            what = f", and {channel.growth_per_s:,.0f} more each second" if grows else ""
            yield Finding(
                "queue",
                "error" if grows else "warning",
                f"channel {channel.channel}",
                f"{channel.waiting} entries wait, the oldest for {wait_s:.1f} s{_on(channel.wait_shard)}{what}",
                "more workers ('trunkline scale --workers N'; trunkline_desired_workers tells how many) where Redis "
                "has CPU to spare, or quicker handlers: 'trunkline top' shows the slowest routes",
            )


def _on(shard: int | None) -> str:
    return "" if shard is None else f" on shard {shard}"


def dead_letters(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """Messages that failed."""
    look = "'trunkline dead list --summary' tells which and why; 'trunkline dead redrive' puts them back once mended"
    if facts.dead_letters_per_s > 0:
        failing = [route for route in facts.routes if route.errors]
        failing.sort(key=lambda route: -route.errors)
        names = ", ".join(f"{route.route} ({route.errors:.0f} just now)" for route in failing[:3])
        yield Finding(
            "dead-letters",
            "error",
            "cluster",
            f"messages fail: {facts.dead_letters_per_s:.1f} dead letters a second"
            + (f", of {names}" if names else ""),
            look,
        )
    elif facts.dead_letters:
        kept = (
            f"{counted(facts.dead_letters, 'dead letter')} {'is' if facts.dead_letters == 1 else 'are'} kept"
        )
        yield Finding("dead-letters", "note", "cluster", kept, look)
    if facts.dead_letters_trimmed:
        yield Finding(
            "dead-letters",
            "warning",
            "cluster",
            f"{facts.dead_letters_trimmed} dead letters made room for newer ones and are gone",
            "handle them sooner, or raise --dead-capacity",
        )


def newcomers(facts: Facts, _: LayerSettings) -> Iterator[Finding]:
    """Clients that are turned away."""
    refused: dict[str, float] = {}
    for process in facts.interfaces:
        for reason, count in process.growth.by("trunkline_turned_away_total", "reason").items():
            if count and process.before is not None:
                refused[reason] = refused.get(reason, 0.0) + count
    if refused:
        told = ", ".join(f"{reason} ({count:.0f})" for reason, count in sorted(refused.items()))
        yield Finding(
            "turned-away",
            "warning",
            "interface servers",
            f"clients were turned away just now: {told}",
            "docs/reference.md explains each reason, docs/overload.md the limits",
        )

"""One frame of ``trunkline top``: a cluster's facts as tables that fit into 80 columns. Pure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final, TypeVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trunkline.protocol.process.facts import ChannelFacts, Facts, ProcessFacts, RouteFacts, ServerFacts

from .diagnosis.report import safe

T = TypeVar("T")
ROUTES: Final = 8
CHANNELS: Final = 8
LEAST_PROCESSES: Final = 4
OTHER_LINES: Final = 12
"""Lines of a frame that are no row of a table."""
WIDTH: Final = 80
BUSY: Final = 0.9
LATE_S: Final = 0.5


def frame(facts: Facts, height: int | None = None) -> RenderableType:
    """The frame.

    Args:
        facts: of two looks.
        height: lines that there are; None shows every process.
    """
    if facts.unavailable:
        why = Text.assemble(("Redis does not answer: ", "bold red"), safe(facts.unavailable))
        return Group(_clock(facts), why, Text("'trunkline doctor' tells what to do; trying again", "dim"))
    channels = [channel for channel in facts.channels if _stirs(channel)]
    parts: list[RenderableType] = [_clock(facts), *map(_server, facts.servers)]
    parts += [*(_silent(shard, why) for shard, why in sorted(facts.away.items())), _rates(facts), Text()]
    most = None
    if height is not None:
        taken = (
            min(CHANNELS, len(channels))
            + min(ROUTES, len(facts.routes))
            + OTHER_LINES
            + len(facts.servers)
            + len(facts.away)
        )
        most = max(LEAST_PROCESSES, height - taken)
    parts += [_processes(_first(facts.processes, most)), *_more(facts.processes, most)]
    parts += [Text(), _channels(_first(channels, CHANNELS)), *_more(channels, CHANNELS)]
    if facts.routes:
        parts += [Text(), _routes(_first(facts.routes, ROUTES)), *_more(facts.routes, ROUTES)]
    return Group(*parts)


def _first(items: Sequence[T], most: int | None) -> Sequence[T]:
    return items[:most]


def _more(items: Sequence[object], most: int | None) -> list[RenderableType]:
    left = len(items) - most if most is not None else 0
    return [Text(f" … and {left} more", "dim")] if left > 0 else []


def _stirs(channel: ChannelFacts) -> bool:
    return bool(channel.waiting or channel.in_work or channel.handled_per_s)


# ---- lines ----


def _clock(facts: Facts) -> Text:
    counts = f"{len(facts.interfaces)} interface servers, {len(facts.workers)} workers"
    return Text.assemble(
        ("trunkline top ", "bold"), time.strftime("%H:%M:%S", time.localtime(facts.at_s)), "  ", counts
    )


def _silent(shard: int, why: str) -> Text:
    told = Text.assemble((f"shard {shard} does not answer: ", "bold red"), safe(why))
    told.truncate(WIDTH, overflow="ellipsis")
    return told


def _server(server: ServerFacts) -> Text:
    shard = "" if server.shard is None else f"shard {server.shard}, "
    used = f"{shard}{server.version}: CPU {server.cpu:.0%}, {size(server.number('used_memory'))}, "
    told = (
        used
        + f"{rate(server.commands_per_s)} commands/s, {server.number('connected_clients'):.0f} connections"
    )
    return Text(told, "bold red" if server.cpu >= BUSY else "")


def _rates(facts: Facts) -> Text:
    rates = facts.rates()
    told = (
        f"{facts.connections:,} connections; a second: {rate(rates['frames_in'])} frames in, "
        f"{rate(rates['frames_out'])} out, {rate(rates['events'])} events, {rate(rates['commits'])} commits"
    )
    grown = f" (+{facts.dead_letters_per_s:.1f}/s)" if facts.dead_letters_per_s else ""
    letters = Text(f"dead letters: {facts.dead_letters:,}{grown}", "bold red" if grown else "")
    return Text.assemble(told, "\n", letters, f"; delayed: {facts.delayed:,}")


# ---- tables ----


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    for column in columns:
        name = column.lstrip("<")
        left = column != name
        table.add_column(name, justify="left" if left else "right", no_wrap=True, overflow="ellipsis")
    return table


def _processes(processes: Sequence[ProcessFacts]) -> Table:
    table = _table("<ROLE", "<ID", "<HOST", "CONN/SLOTS", "MSG/S", "CPU", "MEM", "LAG")
    for process in processes:
        who = [process.role, process.id, safe(process.lease.host)[:12]]
        if not process.answers:
            table.add_row(*who, Text("silent", "bold red"), "", "", "", Text(""))
            continue
        load = (
            f"{process.connections:,}"
            if process.role == "interface"
            else f"{process.busy:.1f}/{process.slots:.0f}"
        )
        table.add_row(
            *who,
            Text(load, "bold red" if process.saturation >= BUSY else ""),
            rate(process.messages_per_s),
            f"{process.cpu:.0%}",
            size(process.memory_bytes),
            Text(seconds(process.lag_s), "bold red" if process.lag_s >= LATE_S else ""),
        )
    return table


def _channels(channels: Sequence[ChannelFacts]) -> RenderableType:
    if not channels:
        return Text("no channel has anything to do", "dim")
    table = _table("<CHANNEL", "WAITING", "IN WORK", "GROWS/S", "OLDEST", "WAITED", "P99", "EVENTS/S")
    for channel in channels:
        late = channel.wait_s is not None and channel.wait_s >= LATE_S
        table.add_row(
            channel.channel[:24],
            f"{channel.waiting:,}",
            f"{channel.in_work:,}",
            f"{channel.growth_per_s:+,.0f}",
            Text(seconds(channel.wait_s), "bold red" if late else ""),
            seconds(channel.taken_wait_s),
            seconds(channel.taken_p99_s),
            rate(channel.handled_per_s),
        )
    return table


def _routes(routes: Sequence[RouteFacts]) -> Table:
    table = _table("<SLOWEST ROUTES", "CALLS/S", "MEAN", "P99", "ERRORS")
    for route in routes:
        errors = Text(f"{route.errors_ever:,.0f}", "bold red" if route.errors else "")
        name = safe(route.route)
        table.add_row(
            name if len(name) <= 44 else f"…{name[-43:]}",
            rate(route.per_s),
            seconds(route.mean_s if route.count else None),
            seconds(route.p99_s),
            errors,
        )
    return table


# ---- numbers ----


def rate(per_s: float) -> str:
    """A number a second in a few characters: ``0.4``, ``12``, ``4,310``, ``1.2M``."""
    if per_s >= 1e6:
        return f"{per_s / 1e6:.1f}M"
    return f"{per_s:,.0f}" if per_s >= 10 or per_s == 0 else f"{per_s:.1f}"


def size(count: float) -> str:
    """Bytes: ``0M``, ``61M``, ``1.2G``."""
    return f"{count / 1e9:.1f}G" if count >= 1e9 else f"{count / 1e6:.0f}M"


def seconds(value: float | None) -> str:
    """A time: ``-``, ``0``, ``0.3ms``, ``45ms``, ``1.2s``, ``340s``."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:.0f}s"
    if value >= 1:
        return f"{value:.1f}s"
    if value >= 0.01:
        return f"{value * 1000:.0f}ms"
    return f"{value * 1000:.1f}ms" if value >= 0.00005 else "0"

"""The whole of ``RESULTS.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .outcome import Outcome
from .peer import Peer
from .tables import costs, left_out, shares, targets, voids
from .text import bullets, table


def systems(peers: Sequence[Peer]) -> str:
    """What each system is, what it promises, of which versions, and how it is started."""
    rows = [
        [
            peer.name,
            peer.title,
            peer.guarantees,
            ", ".join(f"{name} {version}" for name, version in peer.versions().items()),
        ]
        for peer in peers
    ]
    commands = [f"# {peer.name}\n" + "\n".join(peer.commands) for peer in peers]
    head = ["name", "what it is", "what happens to a message", "versions"]
    return table(head, rows) + "\n\n```\n" + "\n".join(commands) + "\n```"


def document(
    outcomes: Sequence[Outcome],
    described: str,
    missing: Mapping[str, str],
    facts: Sequence[str],
    plot: str,
) -> str:
    """``RESULTS.md``.

    Args:
        outcomes: of the workloads.
        described: the systems that were measured, as `systems` does it.
        missing: name of each other peer to why it could not run.
        facts: lines about date, machine and how it was run.
        plot: file name of the plot; empty if there is none.
    """
    absent = [f"{name}: {reason.splitlines()[0]}" for name, reason in missing.items()]
    parts = [
        "# Results",
        "Written by `make bench`; how it measures stands in [README.md](README.md).",
        bullets(facts),
        f"![CPU for each message, by workload and system]({plot})" if plot else "",
        "## Targets",
        "Of Trunkline. A ratio is to the named system: the median over pairs of runs of the same round.",
        targets(outcomes),
        "## Cost",
        "Median (least to most). CPU is that of all server processes, Redis included. Redis calls and syscalls are by "
        "message; a script is one call.",
        costs(outcomes),
        "## Shares",
        "Medians. A role's share is in the workload's unit, or in CPU µs/message where that is no cost. Of saturated "
        "workloads without latencies it does not matter how busy the generator was.",
        shares(outcomes),
        "## Systems",
        described,
        "## Left out",
        bullets([*absent, *left_out(outcomes)]),
        "## Void runs",
        bullets(voids(outcomes)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"

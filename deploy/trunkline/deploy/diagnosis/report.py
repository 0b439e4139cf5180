"""The findings for people and programs: rich text, plain text, JSON. Pure but for the terminal that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from trunkline.protocol.process.facts import Facts, ServerFacts
from trunkline.protocol.process.logs import printable

from .checks import busiest_text
from .finding import Finding, counted

SCHEMA: Final = 1
"""Of the answer with ``--json``. It rises when a field changes its meaning or goes, not when one comes."""
_STYLES: Final = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def healthy(findings: Sequence[Finding]) -> bool:
    """Whether nothing is wrong: notes are no faults."""
    return not any(finding.severity != "note" for finding in findings)


def as_json(facts: Facts, findings: Sequence[Finding]) -> dict[str, Any]:
    """For programs; see ``docs/doctor.md``."""
    return {
        "schema": SCHEMA,
        "healthy": healthy(findings),
        "findings": [finding.as_json() for finding in findings],
        "unseen": unseen(facts),
        "facts": facts.as_json(),
    }


def lines(facts: Facts, findings: Sequence[Finding]) -> list[str]:
    """For people who read it elsewhere than in a terminal."""
    told = [head(facts)]
    for finding in findings:
        told += [
            f"{finding.severity.upper():8}{safe(finding.where)}: {safe(finding.what)}",
            f"  fix: {safe(finding.fix)}",
        ]
    return [*told, *(f"not seen: {text}" for text in unseen(facts)), verdict(findings)]


def show(console: Console, facts: Facts, findings: Sequence[Finding]) -> None:
    """For people at a terminal."""
    parts: list[RenderableType] = [Text(head(facts))]
    if findings:
        table = Table(show_header=False, box=None, padding=(0, 1, 1, 0))
        table.add_column(no_wrap=True)
        table.add_column(ratio=1)
        for finding in findings:
            style = _STYLES[finding.severity]
            what = Text.assemble(
                (safe(finding.where), "bold"), f": {safe(finding.what)}\n", ("fix: ", "green")
            )
            table.add_row(Text(finding.severity.upper(), style), what.append(safe(finding.fix)))
        parts.append(Panel(table, title=f"{len(findings)} found", title_align="left"))
    parts += [Text(f"not seen: {text}", "dim") for text in unseen(facts)]
    parts.append(Text(verdict(findings), "green" if healthy(findings) else "bold red"))
    console.print(Group(*parts))


def head(facts: Facts) -> str:
    """What was looked at."""
    if facts.unavailable:
        return "nothing of the cluster can be seen: its Redis has all addresses"
    servers = ", ".join(map(_server, facts.servers))
    if facts.away:
        servers += f"; no answer from {', '.join(f'shard {shard}' for shard in sorted(facts.away))}"
    return (
        f"{counted(len(facts.interfaces), 'interface server')}, {counted(len(facts.workers), 'worker')}, "
        f"{facts.connections} connections, {servers}; looked for {facts.span_s:.1f} s\nbusiest: {busiest_text(facts)}"
    )


def _server(server: ServerFacts) -> str:
    told = f"{server.version} at {server.name}"
    return told if server.shard is None else f"shard {server.shard} ({told})"


def unseen(facts: Facts) -> list[str]:
    """What could not be asked."""
    return [
        safe(text if server.shard is None else f"shard {server.shard}: {text}")
        for server in facts.servers
        for text in server.unseen
    ]


def verdict(findings: Sequence[Finding]) -> str:
    """The last line."""
    if healthy(findings):
        return "healthy: nothing is wrong that can be seen from here"
    errors, warnings = (sum(f.severity == severity for f in findings) for severity in ("error", "warning"))
    return f"NOT HEALTHY: {counted(errors, 'error')}, {counted(warnings, 'warning')}"


def safe(text: str) -> str:
    """Text that cannot move the cursor of whoever looks at it: names in it are users'."""
    return printable(text).replace("\t", " ").encode("utf-8", "backslashreplace").decode()

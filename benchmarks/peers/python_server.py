"""Starts an app of `apps` with the Python of a kit, or with the one that runs this."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.peer import Shape
from benchmarks.processes import Cores, Server, server

from .kit import Kit
from .kits import APPS

LISTENING: Final = r"listening address=http://([\d.]+):(\d+)"


@contextmanager
def python_server(
    kit: Kit | None,
    command: tuple[str, ...],
    log: Path,
    ready: str,
    cores: Cores,
    shape: Shape,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """An app for the time of the block.

    Args:
        kit: whose Python and packages; None for those of Trunkline.
        command: a module of `apps` and its arguments.
        log: file for its output.
        ready: regular expression of the line that says it serves.
        cores: where it runs.
        shape: says whether it gives its free heap back first.
        environment: further variables.

    Raises:
        NotStarted: it did not come up.
    """
    variables = {"PYTHONPATH": str(APPS), **(environment or {})}
    argv = ["/usr/bin/env", *(f"{name}={value}" for name, value in variables.items())]
    argv += [
        sys.executable if kit is None else str(kit.folder / "bin/python"),
        "-m",
        *(("benchmarks.trimmed",) if shape.trimmed else ()),
        *command,
    ]
    with server(argv, log, ready, cores.servers) as running:
        if shape.trimmed:
            running.trim()
        yield running

"""How a verb says that it could not do what was asked: why, on standard error, and an exit code."""

from __future__ import annotations

import sys

from trunkline.protocol.errors import TrunklineError
from trunkline.protocol.exit_codes import ExitCode

from .cluster import NotReady
from .logs import last_lines
from .rundir import Exit, RunDir

SHOWN_LOG_LINES = 15


def refuse(verb: str, reason: object, code: ExitCode) -> ExitCode:
    """Says why a verb does nothing, and gives its exit code back.

    Args:
        verb: of ``trunkline``.
        reason: one line for each mistake.
        code: what the command ends with.
    """
    for line in str(reason).splitlines():
        print(f"trunkline {verb}: {line}", file=sys.stderr)
    return code


class StartFailed(NotReady):
    """A process ended while the cluster was starting.

    Attributes:
        ended: which, and how.
    """

    def __init__(self, ended: Exit) -> None:
        self.ended = ended
        code = ended.exit_code
        name = f" ({ExitCode(code).name})" if code is not None and code in set(ExitCode) else ""
        super().__init__(f"{ended.role} [{ended.pid}] ended with exit code {code}{name}")


def explain(verb: str, run_dir: RunDir, error: TrunklineError) -> None:
    """Prints why something did not start, with the last log lines of who is to blame."""
    refuse(verb, error, ExitCode.FAILED)
    if isinstance(error, StartFailed):
        role = error.ended.role
        logs = [(role, f"[{error.ended.pid}]" if role != "circusd" else "")]
    else:
        roles = ("circusd", "redis", "prometheus", "worker", "canary", "interface")
        logs = [(role, "") for role in roles]
    for role, mark in logs:
        file = run_dir.log_file(role)
        lines = last_lines(file, SHOWN_LOG_LINES, mark)
        if lines:
            print(f"trunkline {verb}: last lines of {file}:", file=sys.stderr)
            print("".join(f"  {line}" for line in lines), end="", file=sys.stderr)

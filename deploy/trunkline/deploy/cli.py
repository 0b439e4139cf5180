"""The ``trunkline`` command: a table of verbs, each imported when it is asked for."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from trunkline.protocol.errors import ConfigError
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.settings import parse_or_exit


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb.

    Attributes:
        summary: one line for ``trunkline --help``.
        run: takes the arguments behind the verb and returns the exit code.
        more: what its own ``--help`` says besides.
    """

    summary: str
    run: Callable[[Sequence[str]], int]
    more: str = ""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: arguments behind ``trunkline``; None takes those of the process.

    Returns:
        An `ExitCode`.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = arguments[0] if arguments else "--help"
    if name in ("--help", "-h", "help"):
        print(_help())
        return ExitCode.OK if arguments else ExitCode.USAGE
    if name == "--version":
        print(f"trunkline {version('trunkline')}")
        return ExitCode.OK
    verb = VERBS.get(name)
    if verb is None:
        near = difflib.get_close_matches(name, VERBS, 1, 0.8)  # a slip, not 'startapp' for 'start'
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        print(f"trunkline: {name!r} is no verb{hint}; expected one of {', '.join(VERBS)}", file=sys.stderr)
        return ExitCode.USAGE
    try:
        return verb.run(arguments[1:])
    except KeyboardInterrupt:
        return 130  # 128 + SIGINT, as shells report it.
    except BrokenPipeError:
        # `trunkline logs | head`: whoever read has gone. Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED


def _help() -> str:
    verbs = "\n".join(f"  {name:10} {verb.summary}" for name, verb in VERBS.items())
    last = "'trunkline VERB --help' tells all about one; --version tells the version."
    return f"usage: trunkline VERB [...]\n\n{verbs}\n\n{last}"


def _simple(module: str, settings: str) -> Callable[[Sequence[str]], int]:
    """A verb whose module has `run` and whose settings stand in `settings`."""

    def run(argv: Sequence[str]) -> int:
        from importlib import import_module

        from . import app_routing
        from . import settings as all_settings

        app_routing.search_here()
        verb = VERBS[module.replace("_", "-")]
        about = f"{verb.summary}. {verb.more}".strip()
        parsed: Any = parse_or_exit(
            getattr(all_settings, settings), argv, f"trunkline {module.replace('_', '-')}", about
        )
        return int(import_module(f"{__package__}.{module}").run(parsed))

    return run


def _interface(argv: Sequence[str]) -> int:
    from trunkline.interface.cli import main as interface

    from .diagnosis.page import examine

    return interface(list(argv), examine)


def _worker(argv: Sequence[str]) -> int:
    from trunkline.worker.cli import main as worker

    from . import app_routing
    from .diagnosis.page import examine
    from .failures import refuse
    from .joining import joined
    from .release import Release

    try:
        release = Release.of(os.environ)
        if release is not None:
            argv = release.enter(os.environ)
        app_routing.search_here()
        arguments = joined(list(argv), os.environ, Path(os.environ.get("TRUNKLINE_RUN_DIR") or ".run"))
    except ConfigError as error:
        return refuse("worker", error, ExitCode.USAGE)
    return worker(arguments, examine)


def _deploy(argv: Sequence[str]) -> int:
    from .deploy_verbs import main as deploy

    return deploy(list(argv))


def _dead(argv: Sequence[str]) -> int:
    from .dead import main as dead

    return dead(list(argv))


_OTHERS = (
    "Settings of interface servers and workers that have no flag here are taken from their variables; "
    "'trunkline interface --help' and 'trunkline worker --help' show them."
)

_DOCTOR = "It ends with 0 if nothing is wrong, with 9 if something is, with 4 if Redis does not answer."
_TOP = "Ctrl-C ends it."

VERBS = {
    "dev": Verb(
        "run a routing module in one process, in memory, starting again on changes",
        _simple("dev", "DevSettings"),
        _OTHERS,
    ),
    "up": Verb("start a cluster in the background", _simple("up", "UpSettings"), _OTHERS),
    "scale": Verb("change how many processes the running cluster has", _simple("scale", "ScaleSettings")),
    "status": Verb(
        "show every process, channel and dead letter of the cluster", _simple("status", "StatusSettings")
    ),
    "doctor": Verb(
        "look at the running cluster: what is wrong, the bottleneck, and how to mend it",
        _simple("doctor", "DoctorSettings"),
        _DOCTOR,
    ),
    "top": Verb(
        "watch the running cluster: processes, rates, queues, routes", _simple("top", "TopSettings"), _TOP
    ),
    "logs": Verb("show the cluster's logs", _simple("logs", "LogsSettings")),
    "log-level": Verb("change what processes log, while they run", _simple("log_level", "LogLevelSettings")),
    "down": Verb("stop the cluster, gracefully", _simple("down", "DownSettings")),
    "interface": Verb("run one interface server in the foreground", _interface),
    "worker": Verb("run one worker in the foreground", _worker),
    "startapp": Verb(
        "make a package to begin with: consumers, routes, page, test", _simple("startapp", "StartappSettings")
    ),
    "deploy": Verb("try new code with a part of the connections, promote it, roll it out or back", _deploy),
    "shards": Verb(
        "show the shards of a cluster, or let newcomers use more of them", _simple("shards", "ShardsSettings")
    ),
    "dead": Verb("list, show, redrive and drop dead letters", _dead),
}

"""``trunkline worker`` beside a running cluster joins it, unless it is told of another Redis."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path

from .redis_server import configured_url
from .rundir import RunDir


def joined(argv: Sequence[str], environ: MutableMapping[str, str], run_dir: Path) -> list[str]:
    """The worker's arguments, completed with the cluster that runs here.

    Args:
        argv: as they were given. Without a routing module the cluster's own is taken.
        environ: gets the cluster's layer settings, by which they reach the worker without showing in ``ps``; a
            ``REDIS_URL`` counts there too.
        run_dir: where a cluster may run.
    """
    arguments = list(argv)
    told = any(word == "--redis-url" or word.startswith("--redis-url=") for word in arguments)
    if told or environ.get("TRUNKLINE_REDIS_URL") or {"-h", "--help"} & set(arguments):
        return arguments
    state = RunDir(run_dir).load() if run_dir.is_dir() else None
    if state is None:
        if not arguments:
            print(
                f"no cluster is running in {run_dir} that a worker could join: start one with 'trunkline up' or "
                "'make up', or name a routing module",
                file=sys.stderr,
            )
        url = configured_url("", environ)
        if url:
            environ["TRUNKLINE_REDIS_URL"] = url
        return arguments
    print(f"joining the cluster of {run_dir} ({state.routing})", file=sys.stderr)
    environ.update({f"TRUNKLINE_{name.upper()}": str(value) for name, value in state.layer.items()})
    if not arguments:
        arguments = [state.routing]
    return arguments

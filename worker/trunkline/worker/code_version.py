"""Which version of the application's code a worker runs, for dead letters and ``trunkline status``.

Asked once, at start: what is checked out later is not what runs. The honest sources are the deployment, which knows
what it has built (``--code-version``), and git, as long as the routing module is a file that git knows.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

GIT_LIMIT_S = 2.0
"""`git describe --dirty` looks at every file; a repository that takes longer goes unnamed rather than delay a start."""


def code_version(given: str, module: str) -> str:
    """The version of the code around a routing module that was imported.

    Args:
        given: what the user says it is; wins.
        module: dotted path of the module, or of something in it.

    Returns:
        ``given``; else what ``git describe --always --tags --dirty`` calls the commit, so with ``-dirty`` behind it if
        files differ from it; empty if nobody knows.
    """
    if given:
        return given
    file = _file_of(module)
    if file is None or _git(file.parent, "ls-files", "--error-unmatch", file.name) is None:
        return ""
    return _git(file.parent, "describe", "--always", "--tags", "--dirty", "--abbrev=12") or ""


def _file_of(module: str) -> Path | None:
    name = module
    while name:
        found = getattr(sys.modules.get(name), "__file__", None)
        if found is not None:
            return Path(found)
        name = name.rpartition(".")[0]
    return None


def _git(folder: Path, *arguments: str) -> str | None:
    """What a git command prints; None if there is no git, no repository, or it fails."""
    # Several workers start at once, and the user works in the repository: nothing may be locked or written there.
    environ = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_LIMIT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace").strip()

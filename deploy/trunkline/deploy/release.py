"""A release: which code the workers of a watcher run, in a file that each of them reads at its start.

Circus would end every process of a watcher to give it another command line. A file can change while they run, and only
those that start afterwards notice.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import MutableMapping
from dataclasses import asdict, dataclass
from pathlib import Path

from trunkline.protocol.errors import ConfigError
from trunkline.protocol.tracks import MAIN

VARIABLE = "_TRUNKLINE_RELEASE"
"""Names the file, in the environment of the processes that read it."""


@dataclass(frozen=True, slots=True)
class Release:
    """Some code.

    Attributes:
        code: the directory from which the routing module is imported.
        module: the routing module.
        version: what the user calls it; empty to ask git.
        track: that its workers serve.
        since_s: Unix time since which it is the one to run; 0 for what `up` was started with.
    """

    code: str
    module: str
    version: str = ""
    track: str = MAIN
    since_s: float = 0.0

    def save(self, file: Path) -> None:
        """Writes the file, whole or not at all."""
        file.parent.mkdir(mode=0o700, exist_ok=True)
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self), indent=2))
        fresh.replace(file)

    @classmethod
    def load(cls, file: Path) -> Release | None:
        """Reads the file; None if there is none.

        Raises:
            ConfigError: it is not one that this version wrote.
        """
        try:
            return cls(**json.loads(file.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise ConfigError(
                f"{file} cannot be read ({error}): 'trunkline down' and 'up' write it anew"
            ) from error

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> Release | None:
        """The release that this process was started to run; None for one that somebody started by hand.

        Raises:
            ConfigError: it cannot be read.
        """
        file = environ.get(VARIABLE)
        return cls.load(Path(file)) if file else None

    def enter(self, environ: MutableMapping[str, str]) -> list[str]:
        """Makes this process run it: its directory becomes the current one, and modules of the one before are not
        found any more.

        Args:
            environ: loses the version that an earlier release was given.

        Returns:
            The arguments of ``trunkline worker``.

        Raises:
            ConfigError: the directory cannot be entered.
        """
        before = os.getcwd()
        try:
            os.chdir(self.code)
        except OSError as error:
            raise ConfigError(
                f"the code's directory {self.code} cannot be entered: {error.strerror}; "
                "'trunkline deploy roll --code DIR' names another"
            ) from error
        if self.code != before:
            _search_as_if_started_in(self.code, before, environ.get("PYTHONPATH", ""))
        if self.since_s:
            environ.pop("TRUNKLINE_CODE_VERSION", None)
        version = [f"--code-version={self.version}"] if self.version else []
        track = [f"--track={self.track}"] if self.track else []
        return [self.module, *version, *track]


def _search_as_if_started_in(code: str, before: str, python_path: str) -> None:
    """Takes the directory before off the path, and has relative entries of ``PYTHONPATH`` mean this one: with ``src``
    the new code would else be imported from the old directory, and nobody would notice."""
    relative = [path for path in python_path.split(os.pathsep) if path and not os.path.isabs(path)]
    moved = {os.path.abspath(os.path.join(before, path)): os.path.join(code, path) for path in relative}
    sys.path[:] = [
        os.path.normpath(moved.get(path, path))
        for path in sys.path
        if path not in ("", before) or path in moved
    ]

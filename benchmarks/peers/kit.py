"""What a peer is made of: software that is installed in a folder of its own, once, and never by Trunkline itself."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from benchmarks.processes import ROOT

FOLDER_VARIABLE: Final = "BENCH_PEERS_DIR"
"""Names a folder for all kits, so that several checkouts can share what takes minutes to build."""

INSTALL_WITHIN_S: Final = 1200.0
"""A step that takes so long hangs. The longest, a Go server of 90 MiB, took 200 s on two slow cores."""

_STAMP: Final = ".recipe"
_LOG: Final = "install.log"


class CannotInstall(RuntimeError):
    """A part of a peer cannot be had here; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class Kit:
    """Software of one or several peers.

    Attributes:
        name: of its folder.
        recipe: everything that decides what is installed, versions first of all; when it changes, the kit is made anew.
        install: fills the empty folder it is given, or raises `CannotInstall`.
    """

    name: str
    recipe: str
    install: Callable[[Path], None]

    @property
    def folder(self) -> Path:
        """Where it is."""
        return kits_folder() / self.name


def kits_folder() -> Path:
    """Where all kits are: ``.peers`` in the repository, or what `FOLDER_VARIABLE` names."""
    return Path(os.environ.get(FOLDER_VARIABLE) or ROOT / ".peers").resolve()


@cache
def ensure(kit: Kit) -> str | None:
    """Installs a kit if it is not there, once a process.

    Returns:
        One line that says why it is not there, None if it is.
    """
    kits_folder().mkdir(parents=True, exist_ok=True)
    stamp = kit.folder / _STAMP
    with kit.folder.with_suffix(".lock").open("w") as lock:
        # Two at once would pull the folder from under each other's feet; the second one waits and finds it made.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_text() == kit.recipe:
            return None
        shutil.rmtree(kit.folder, ignore_errors=True)
        kit.folder.mkdir()
        try:
            kit.install(kit.folder)
        except CannotInstall as error:
            return f"{kit.name} cannot be installed: {error}"
        stamp.write_text(kit.recipe)
    return None


def run(folder: Path, argv: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Runs a step of an installation in a kit's folder; what it prints is added to the log there.

    Args:
        folder: of the kit.
        argv: the command.
        environment: variables besides those of this process.

    Returns:
        Its standard output.

    Raises:
        CannotInstall: there is no such program, it failed, or it hangs.
    """
    program = Path(argv[0]).name
    if shutil.which(argv[0]) is None:
        raise CannotInstall(f"there is no {program} on PATH")
    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=INSTALL_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CannotInstall(f"{program} took more than {INSTALL_WITHIN_S:g} s") from None
    with (folder / _LOG).open("a") as log:
        log.write(f"$ {' '.join(argv)}\n{done.stdout}{done.stderr}")
    if done.returncode:
        raise CannotInstall(
            f"{program} ended with {done.returncode}: {last_words(done.stderr or done.stdout)}"
        )
    return done.stdout


def last_words(text: str) -> str:
    """The last line of a text that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"

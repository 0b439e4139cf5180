"""The ways in which software comes: a Python environment, Node packages, Debian packages, a Go program."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .kit import CannotInstall, Kit, run

HERE: Final = Path(__file__).parent
APPS: Final = HERE / "apps"

_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)$", re.MULTILINE)
_TO_INSTALL: Final = re.compile(r"^Inst (\S+)", re.MULTILINE)


def pinned_versions(requirements: str) -> dict[str, str]:
    """Name to version of a requirements text in which every line is pinned."""
    return dict(_PIN.findall(requirements))


def python_kit(name: str) -> Kit:
    """An environment of the Python that runs this, with the pins of ``requirements-<name>.txt``."""
    requirements = HERE / f"requirements-{name}.txt"

    def install(folder: Path) -> None:
        run(folder, [sys.executable, "-m", "venv", "."])
        pip = ["bin/python", "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-deps"]
        run(folder, [str(folder / pip[0]), *pip[1:], "-r", str(requirements)])

    return Kit(name, f"Python {sys.version}\n{requirements.read_text()}", install)


def python_versions(name: str, *packages: str) -> dict[str, str]:
    """Versions of some packages of a `python_kit`."""
    pins = pinned_versions((HERE / f"requirements-{name}.txt").read_text())
    return {package: pins[package] for package in packages}


def node_kit(name: str) -> Kit:
    """The packages of ``apps/package.json``, whose versions are exact."""
    manifest = APPS / "package.json"

    def install(folder: Path) -> None:
        shutil.copy(manifest, folder)
        # No scripts: nothing needs them, and what they would fetch is not in the manifest.
        run(
            folder,
            [
                "npm",
                "install",
                "--omit=dev",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--no-package-lock",
            ],
        )
        if shutil.which("node") is None:
            raise CannotInstall("there is no node on PATH")

    return Kit(name, manifest.read_text(), install)


def node_versions(*packages: str) -> dict[str, str]:
    """Versions of some packages of the `node_kit`."""
    pins = json.loads((APPS / "package.json").read_text())["dependencies"]
    return {package: pins[package] for package in packages}


def debian_kit(name: str, packages: Sequence[str]) -> Kit:
    """Debian packages and what they need, unpacked and not installed.

    An installation would start their servers and change the machine, and it would need root. Which version there is, is
    Debian's decision; the kit keeps the one it was made with.
    """

    def install(folder: Path) -> None:
        if os.geteuid() == 0:
            # A fresh machine knows no packages, and an old list names versions that are gone.
            run(folder, ["apt-get", "update"])
        wanted = run(folder, ["apt-get", "-s", "install", "--no-install-recommends", *packages])
        names = list(dict.fromkeys((*packages, *_TO_INSTALL.findall(wanted))))
        run(folder, ["apt-get", "download", *names])
        files = sorted(folder.glob("*.deb"))
        for file in files:
            run(folder, ["dpkg-deb", "-x", str(file), "root"])
        versions = [run(folder, ["dpkg-deb", "-W", str(file)]) for file in files]
        (folder / "versions").write_text("".join(versions))
        for file in files:
            file.unlink()

    return Kit(name, " ".join(packages), install)


def debian_versions(kit: Kit, *packages: str) -> dict[str, str]:
    """Versions of some packages of a `debian_kit` that is installed."""
    lines = (kit.folder / "versions").read_text().splitlines()
    found = dict(line.split("\t") for line in lines)
    return {package: found[package] for package in packages}


def debian_command(kit: Kit, *argv: str) -> list[str]:
    """A command of a `debian_kit`, with the libraries that came with it.

    Args:
        kit: it.
        argv: path of the program from the root of a system, as ``usr/sbin/nginx``, and its arguments.
    """
    root = kit.folder / "root"
    libraries = ":".join(str(path) for path in sorted((root / "usr/lib").glob("*-linux-gnu*")))
    return ["/usr/bin/env", f"LD_LIBRARY_PATH={libraries}", str(root / argv[0]), *argv[1:]]


def go_kit(name: str, package: str, version: str) -> Kit:
    """A Go program, built from its module at one version."""

    def install(folder: Path) -> None:
        caches = {"GOPATH": str(folder / "path"), "GOCACHE": str(folder / "build")}
        run(
            folder, ["go", "install", "-modcacherw", f"{package}@{version}"], {**caches, "GOBIN": str(folder)}
        )
        for cache in caches.values():
            shutil.rmtree(cache, ignore_errors=True)

    return Kit(name, f"{package}@{version}", install)

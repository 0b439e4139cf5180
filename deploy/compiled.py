"""Compiles the hot paths for a wheel, if it is asked to; hatchling runs this (pyproject.toml, docs/compiled.md).

mypyc makes a C extension of each module that is listed, out of the very code that runs without it: what `mypy --strict`
has checked it takes for granted. They are built beside the checkout: in it an extension would hide the file it was made
of.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TIERS = ("protocol", "interface", "worker", "deploy")
GROUP = "trunkline"
"""Names the library that all extensions share: ``trunkline__mypyc``."""


class CompiledHook(BuildHookInterface[Any]):
    """Puts the extensions into the wheel, which is for one CPython and one platform then."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See hatchling's build hooks. Nothing is done for an editable install: it is there to be changed.

        Raises:
            SystemExit: there is no C compiler that works, or no headers of this Python.
        """
        if version == "editable":
            return
        folder = TemporaryDirectory(prefix="trunkline-compiled-")
        self._folder = folder  # hatchling reads from it when this has ended; it goes with the hook
        with chdir(self.root):
            compile_all(self.config["modules"], Path(folder.name))
        for extension, place in extensions(Path(folder.name)):
            build_data["force_include"][str(extension)] = place
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def compile_all(modules: list[str], folder: Path) -> None:
    """Compiles modules into a folder that follows the packages.

    Args:
        modules: their paths from the root.
        folder: where C, objects and extensions go.

    Raises:
        SystemExit: as `CompiledHook.initialize`.
    """
    from mypyc.build import mypycify
    from setuptools import Distribution
    from setuptools.errors import BaseError, CCompilerError

    # All are named, or mypy would read those that are not from a wheel that is installed already.
    sources = sorted(str(file) for tier in TIERS for file in Path(tier, "trunkline").rglob("*.py"))
    found = mypycify(
        ["--config-file", "pyproject.toml", *sources],
        only_compile_paths=modules,
        opt_level="3",
        debug_level="0",
        target_dir=str(folder / "c"),
        group_name=GROUP,
    )
    for extension in found:
        # Nobody replaces our functions, so they may call each other directly and be inlined.
        extension.extra_compile_args.append("-fno-semantic-interposition")
    command: Any = Distribution({"ext_modules": found}).get_command_obj("build_ext")
    command.build_lib, command.build_temp = str(folder / "lib"), str(folder / "temp")
    command.parallel = os.cpu_count()
    command.ensure_finalized()
    try:
        command.run()
    except (BaseError, CCompilerError) as error:
        raise SystemExit(
            f"trunkline: cannot compile: {error}\nIt takes a C compiler and the headers of this Python (Debian: "
            "apt-get install gcc python3-dev). Without HATCH_BUILD_HOOK_ENABLE_CUSTOM nothing is compiled."
        ) from error


def extensions(folder: Path) -> Iterator[tuple[Path, str]]:
    """What was compiled, each with its place in the wheel."""
    library = folder / "lib"
    for path in sorted(library.rglob("*.so")):
        yield path, path.relative_to(library).as_posix()

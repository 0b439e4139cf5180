"""Files that the interface serves itself, and nothing outside their folders."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from aiohttp import web

from .settings import StaticRoot

INDEX = "index.html"
WELL_KNOWN = ".well-known"


def locate(root: StaticRoot, path: str) -> Path | None:
    """The file for a URL path below a root, or None if there is none, or it lies outside. Reads the file system.

    Args:
        root: whose prefix the path begins with.
        path: of the URL, percent-decoded.
    """
    rest = path[len(root.prefix) :]
    if "\x00" in rest or "\\" in rest or any(map(_hidden, rest.split("/"))):
        return None
    try:
        # Symbolic links are followed before the check: where the file really is decides.
        file = (root.folder / rest.lstrip("/")).resolve()
        if file.is_dir():
            file = (file / INDEX).resolve()
        return file if file.is_relative_to(root.folder) and file.is_file() else None
    except (OSError, RuntimeError, ValueError):
        # A name too long, a loop of links, no permission: not there.
        return None


def _hidden(part: str) -> bool:
    """Whether no path may go through a name: ``.`` and ``..``, and what people hide by a dot (``.git``, ``.env``).
    ``.well-known`` is meant to be read (RFC 8615)."""
    return part.startswith(".") and part != WELL_KNOWN


class StaticFiles:
    """All static folders.

    Args:
        roots: the longest prefix first.
    """

    __slots__ = ("_roots",)

    def __init__(self, roots: Sequence[StaticRoot]) -> None:
        self._roots = list(roots)

    async def find(self, raw_path: str) -> web.StreamResponse | None:
        """The answer to a GET or HEAD of this path; None if it is for the workers.

        What is missing below a prefix is a 404, unless the prefix is ``/``: then the workers may know it.

        Args:
            raw_path: path of the URL, not percent-decoded.
        """
        if not self._roots:
            return None
        path = unquote(raw_path)
        for root in self._roots:
            if path.startswith(root.prefix) or path + "/" == root.prefix:
                loop = asyncio.get_running_loop()
                file = await loop.run_in_executor(None, locate, root, path)
                if file is not None:
                    return web.FileResponse(file, headers={"X-Content-Type-Options": "nosniff"})
                if root.prefix != "/":
                    return web.Response(status=404, text="there is no such file\n")
        return None

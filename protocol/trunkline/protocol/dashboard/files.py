"""What a browser loads of the dashboard: a handful of files that lie in the package and are read once."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

PAGE: Final = "index.html"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class File(NamedTuple):
    """One file.

    Attributes:
        body: its bytes.
        kind: its ``Content-Type``.
        etag: changes with its bytes.
    """

    body: bytes
    kind: str
    etag: str


@cache
def static_files() -> dict[str, File]:
    """Every file of the page by its name, as it is in the package. Nothing else is ever served: a name is looked up
    here, no path is built of it."""
    found = {}
    for item in sorted((files(__name__.rpartition(".")[0]) / "static").iterdir(), key=lambda item: item.name):
        kind = _TYPES.get("." + item.name.rpartition(".")[2])
        if kind is not None:
            body = item.read_bytes()
            found[item.name] = File(body, kind, f'"{hashlib.sha256(body).hexdigest()[:20]}"')
    return found

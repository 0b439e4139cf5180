"""The user's routing module, looked at before anything starts."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path


def search_here() -> None:
    """Lets modules of the current directory be imported, as ``python -m`` does."""
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)


def check(routing: str) -> None:
    """Imports a routing module and checks all its routes.

    Raises:
        RoutingError: it has mistakes; the text has one a line.
    """
    from trunkline.worker.routing import Routing

    Routing.load(routing)


def static_beside(routing: str) -> list[str]:
    """``['/=DIR']`` for the folder ``static`` beside a routing module, or nothing."""
    spec = importlib.util.find_spec(routing)
    if spec is None or spec.origin is None:
        return []
    folder = Path(spec.origin).parent / "static"
    return [f"/={folder}"] if folder.is_dir() else []

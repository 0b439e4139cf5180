"""Dotted paths: from ``"chat.consumers.ws_echo"`` to the object, or to a sentence that says which part is wrong."""

from __future__ import annotations

import difflib
import importlib
import os
import pkgutil
import sys
import traceback
from types import ModuleType
from typing import Any


class DottedPathError(Exception):
    """A dotted path that leads nowhere. Caught by the routing loader, never seen by users.

    Attributes:
        hint: what the user may do, or empty.
    """

    def __init__(self, text: str, hint: str = "") -> None:
        self.hint = hint
        super().__init__(text)


def resolve(path: str) -> Any:
    """Imports the object at a dotted path.

    Raises:
        DottedPathError: a part of it does not exist, or a module on the way raised while it was imported.
    """
    parts = path.split(".")
    if not all(part.isidentifier() for part in parts):
        raise DottedPathError(f"{path!r} is no dotted path", "write it as 'package.module.name'")
    found: Any = None
    for index in range(len(parts)):
        module = _module(".".join(parts[: index + 1]))
        if module is None:
            return _attributes(found, parts, index)
        found = module
    return found


def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            return None
        raise _failed_inside(name, error) from error
    except (Exception, SystemExit) as error:  # whatever a user's module does while it is imported
        raise _failed_inside(name, error) from error


def _attributes(found: Any, parts: list[str], index: int) -> Any:
    if index == 0:
        # Nobody keeps their handlers in the standard library, and its many short names resemble everything.
        installed = {module.name for module in pkgutil.iter_modules()} - sys.stdlib_module_names
        raise DottedPathError(
            f"there is no module {parts[0]!r}", _did_you_mean(parts[0], sorted(installed)) or _on_path()
        )
    for position in range(index, len(parts)):
        owner = ".".join(parts[:position])
        try:
            found = getattr(found, parts[position])
        except AttributeError:
            kind = "module" if isinstance(found, ModuleType) else type(found).__name__
            raise DottedPathError(
                f"{kind} {owner!r} has no {parts[position]!r}",
                _did_you_mean(parts[position], _names_in(found)),
            ) from None
    return found


def _on_path() -> str:
    return (
        f"the current directory, {os.getcwd()}, and PYTHONPATH are searched: go to the folder that holds it"
    )


def _names_in(owner: Any) -> list[str]:
    names = [name for name in dir(owner) if not name.startswith("__")]
    if isinstance(owner, ModuleType):
        names += [module.name for module in pkgutil.iter_modules(getattr(owner, "__path__", []))]
    return names


def _did_you_mean(name: str, candidates: list[str]) -> str:
    near = difflib.get_close_matches(name, candidates, 1)
    return f"did you mean {near[0]!r}?" if near else ""


def _failed_inside(name: str, error: BaseException) -> DottedPathError:
    text = f"module {name!r} cannot be imported: {type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):  # its own text names file and line
        return DottedPathError(text)
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith("<frozen importlib")]
    # The first frame is ours, in this file; the last one is where it was raised.
    return DottedPathError(text, f"raised at {theirs[-1].filename}:{theirs[-1].lineno}" if theirs[1:] else "")

"""The layers' contract suite once more, as the user of the shipped ACL: it needs no more than that."""

from __future__ import annotations

import importlib
from pathlib import Path

from tests.protocol import layer_contract

_FOLDER = next(iter(layer_contract.__path__))

# pytest collects what a module holds, wherever it was written; fixtures are those of this folder.
for _file in sorted(Path(_FOLDER).glob("test_*.py")):
    _module = importlib.import_module(f"{layer_contract.__name__}.{_file.stem}")
    globals().update({name: value for name, value in vars(_module).items() if name.startswith("test_")})


def test_the_suite_is_here() -> None:
    assert len([name for name in globals() if name.startswith("test_")]) > 20

"""The user's routing module: found from where the command is typed, checked before anything starts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trunkline.deploy.app_routing import check, search_here, static_beside
from trunkline.protocol.errors import RoutingError


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A routing module in the current directory, which nothing finds yet."""
    (tmp_path / "typed_here.py").write_text("from examples.echo.routing import channel_routing\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    yield "typed_here"
    sys.modules.pop("typed_here", None)


def test_the_folder_one_stands_in_is_searched_once_it_is_asked_for(module: str) -> None:
    with pytest.raises(RoutingError):
        check(module)
    search_here()
    check(module)
    before = list(sys.path)
    search_here()
    assert sys.path == before


def test_a_folder_of_static_files_beside_the_routing_is_served_at_the_root(
    module: str, tmp_path: Path
) -> None:
    search_here()
    assert static_beside(module) == []
    (tmp_path / "static").mkdir()
    assert static_beside(module) == [f"/={tmp_path / 'static'}"]


def test_a_module_that_is_not_there_has_no_static_files() -> None:
    assert static_beside("no_such_module") == []

"""What a browser loads of the page: in the package, in the wheel, and nothing of it from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.test_tree import ROOT
from trunkline.protocol.dashboard.files import PAGE, static_files

FOLDER = ROOT / "protocol" / "trunkline" / "protocol" / "dashboard" / "static"
SCRIPTS = sorted(name for name in static_files() if name.endswith(".js"))


def text(name: str) -> str:
    return static_files()[name].body.decode()


def test_every_file_of_the_folder_is_served_with_its_type() -> None:
    assert set(static_files()) == {file.name for file in FOLDER.iterdir()}
    kinds = {name: file.kind for name, file in static_files().items()}
    assert kinds[PAGE] == "text/html; charset=utf-8"
    assert kinds["dashboard.js"] == "text/javascript; charset=utf-8"
    assert kinds["dashboard.css"] == "text/css; charset=utf-8"
    assert kinds["icon.svg"] == "image/svg+xml"


def test_a_tag_tells_files_apart() -> None:
    tags = [file.etag for file in static_files().values()]
    assert len(set(tags)) == len(tags) and all(re.fullmatch(r'"[0-9a-f]{20}"', tag) for tag in tags)


def test_a_file_that_is_none_of_a_pages_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "page.js").write_text("")
    (tmp_path / "static" / "page.js.orig").write_text("")
    monkeypatch.setattr("trunkline.protocol.dashboard.files.files", lambda package: tmp_path)

    assert set(static_files.__wrapped__()) == {"page.js"}


def test_all_that_the_page_names_is_there() -> None:
    named = set(re.findall(r'(?:src|href)="dashboard/([^"]+)"', text(PAGE)))
    named |= {name for script in SCRIPTS for name in re.findall(r'from "\./([^"]+)"', text(script))}

    assert named == set(static_files()) - {PAGE}


@pytest.mark.parametrize("name", [PAGE, "dashboard.css", *SCRIPTS])
def test_nothing_comes_from_elsewhere(name: str) -> None:
    found = re.findall(
        r"(?:https?:)?//[\w.]+", re.sub(r"^\s*//.*$|/\*.*?\*/|\s// .*$", "", text(name), flags=re.M)
    )

    assert set(found) <= {"http://www.w3.org"}  # SVG's namespace, which nobody fetches


def test_the_page_has_no_script_or_style_of_its_own() -> None:
    page = text(PAGE)

    assert re.findall(r"<script(?![^>]*\ssrc=)[^>]*>|<style|\sstyle=|\son\w+=|javascript:", page) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_makes_markup_or_code_of_text(name: str) -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|setHTML|DOMParser|srcdoc"

    assert re.findall(forbidden, text(name)) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_asks_for_anything_but_the_stream(name: str) -> None:
    asked = re.findall(
        r"fetch\(|XMLHttpRequest|WebSocket|sendBeacon|import\(|EventSource\([^)]*\)", text(name)
    )

    assert set(asked) <= {'EventSource("dashboard/events")'}


def test_the_wheel_has_the_files(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")

    with zipfile.ZipFile(wheel) as archive:
        packed = {
            Path(name).name: archive.read(name)
            for name in archive.namelist()
            if name.startswith("trunkline/protocol/dashboard/static/")
        }
    assert packed == {name: file.body for name, file in static_files().items()}

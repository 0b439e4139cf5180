"""Files the interface serves itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interface.conftest import MakeRig, Rig
from tests.support.client_frames import RawClient
from trunkline.interface.settings import StaticRoot
from trunkline.interface.static import locate
from trunkline.protocol.names import REQUEST


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with files, with a secret beside it and links out of it."""
    root = tmp_path / "static"
    (root / "sub").mkdir(parents=True)
    (root / "index.html").write_text("<h1>home</h1>")
    (root / "sub" / "index.html").write_text("sub")
    (root / "a b.txt").write_text("spaced")
    (root / "empty").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "static-secret").mkdir()
    (tmp_path / "static-secret" / "s.txt").write_text("secret")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "inside.txt").symlink_to(root / "a b.txt")
    (root / "out").symlink_to(tmp_path)
    (root / "loop").symlink_to(root / "loop")
    return root.resolve()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/s/", "index.html"),
        ("/s/index.html", "index.html"),
        ("/s/sub/", "sub/index.html"),
        ("/s/sub", "sub/index.html"),
        ("/s/a b.txt", "a b.txt"),
        ("/s/inside.txt", "a b.txt"),
        ("/s", "index.html"),
    ],
)
def test_files_and_the_index_of_folders_are_found(files: Path, path: str, name: str) -> None:
    assert locate(StaticRoot("/s/", files), path) == files / name


@pytest.mark.parametrize(
    "path",
    [
        "/s/../secret.txt",
        "/s/sub/../../secret.txt",
        "/s//etc/passwd",
        "/s/..\\secret.txt",
        "/s/link.txt",
        "/s/out/secret.txt",
        "/s/out/static-secret/s.txt",
        "/s/loop",
        "/s/nothing",
        "/s/empty/",
        "/s/a\x00b",
        "/s/" + "x" * 5000,
        "/s/./index.html",
    ],
)
def test_nothing_outside_the_folder_is_found(files: Path, path: str) -> None:
    assert locate(StaticRoot("/s/", files), path) is None


async def status(rig: Rig, path: str, method: str = "GET") -> int:
    """The status of a request."""
    async with rig.client.request(method, rig.url + path) as response:
        await response.read()
        return response.status


async def test_a_file_is_served_and_nobody_is_asked(make_rig: MakeRig, files: Path) -> None:
    rig = await make_rig(static=[f"/={files}"])

    async with rig.client.get(rig.url + "/") as response:
        assert response.status == 200
        assert response.content_type == "text/html"
        assert response.headers["Server"] == "trunkline"
        assert await response.text() == "<h1>home</h1>"
    async with rig.client.head(rig.url + "/a%20b.txt") as response:
        assert response.headers["Content-Length"] == "6"
    assert rig.layer.entries == []


async def test_what_is_missing_at_the_root_and_every_post_go_to_the_workers(
    make_rig: MakeRig, files: Path
) -> None:
    rig = await make_rig(static=[f"/={files}"])

    await status(rig, "/api")
    await status(rig, "/index.html", "POST")

    assert [entry.path for entry in rig.layer.of(REQUEST)] == ["/api", "/index.html"]


async def test_what_is_missing_under_another_prefix_is_404(make_rig: MakeRig, files: Path) -> None:
    rig = await make_rig(static=[f"/static={files}"])

    assert await status(rig, "/static/none") == 404
    assert await status(rig, "/static") == 200
    assert await status(rig, "/static/") == 200
    await status(rig, "/statics")
    assert [entry.path for entry in rig.layer.of(REQUEST)] == ["/statics"]


@pytest.mark.parametrize(
    "target",
    [
        "/static/../secret.txt",
        "/static/..%2fsecret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/%2e%2e%2fsecret.txt",
        "/static/..%5csecret.txt",
        "/static/link.txt",
        "/static/out/secret.txt",
        "/static//etc/passwd",
        "/static/%00",
        "/static/%ff",
    ],
)
async def test_no_request_leads_out_of_the_folder(make_rig: MakeRig, files: Path, target: str) -> None:
    rig = await make_rig(static=[f"/static={files}"])
    async with RawClient(*rig.address) as client:
        assert " 404 " in await client.head(f"GET {target} HTTP/1.1\nHost: a")


async def test_files_are_served_while_the_layer_is_away(make_rig: MakeRig, files: Path) -> None:
    rig = await make_rig(static=[f"/={files}"])
    rig.layer.receiver.away()
    assert await status(rig, "/") == 200

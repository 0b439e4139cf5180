"""Static files: nothing outside the folder, nothing that a dot hides, no listing, also from a raw request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.security.app import channel_routing
from tests.security.raw import Raw
from tests.support.stack import stack
from trunkline.interface.settings import StaticRoot
from trunkline.interface.static import locate

SECRET = "not for you"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder to serve with what people leave in one, and a secret beside it."""
    root = tmp_path / "public"
    for folder in (".git", ".well-known", "sub/.cache", "empty"):
        (root / folder).mkdir(parents=True)
    (root / "page.html").write_text("page")
    (root / ".well-known" / "security.txt").write_text("contact")
    for hidden in (".env", ".git/config", "sub/.cache/x", "sub/.htpasswd"):
        (root / hidden).write_text(SECRET)
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "public-other").mkdir()
    (tmp_path / "public-other" / "x").write_text(SECRET)
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to(tmp_path)
    (root / "page.html.gz").symlink_to(tmp_path / "secret")
    # How Kubernetes mounts a ConfigMap: the name is a link through a folder with dots.
    (root / "..data").mkdir()
    (root / "..data" / "mounted.txt").write_text("mounted")
    (root / "mounted.txt").symlink_to(root / "..data" / "mounted.txt")
    return root.resolve()


@pytest.mark.parametrize(
    "path", ["/.env", "/.git/config", "/sub/.cache/x", "/sub/.htpasswd", "/..data/mounted.txt", "/."]
)
def test_what_a_dot_hides_is_not_there(files: Path, path: str) -> None:
    assert locate(StaticRoot("/", files), path) is None


@pytest.mark.parametrize("path", ["/.well-known/security.txt", "/mounted.txt", "/page.html"])
def test_what_is_meant_to_be_read_is_there(files: Path, path: str) -> None:
    assert locate(StaticRoot("/", files), path) is not None


@pytest.fixture
async def serving(files: Path) -> AsyncIterator[Raw]:
    async with stack(channel_routing, static=[f"/s={files}"]) as running:
        yield Raw(running.addresses[0])


@pytest.mark.parametrize(
    "target",
    [
        b"/s/../secret",
        b"/s/%2e%2e/secret",
        b"/s/%2e%2e%2fsecret",
        b"/s/..%2fsecret",
        b"/s/.%2e/secret",
        b"/s/%252e%252e/secret",
        b"/s/..%5csecret",
        b"/s/sub/../../secret",
        b"/s//../secret",
        b"/s/%00/../secret",
        b"/s/secret%00.html",
        b"/s/..;/secret",
        b"/s/.%00./secret",
        b"/s-other/x",
        b"/s../secret",
        b"/s/../public-other/x",
        b"/s/link",
        b"/s/up/secret",
        b"/s/.env",
        b"/s/%2eenv",
        b"/s/.git/config",
        b"/s/sub/%2ehtpasswd",
        b"http://elsewhere/s/../secret",
        b"/s/\xc0\xae\xc0\xae/secret",
        b"/s/%c0%ae%c0%ae/secret",
        b"/s/" + b"x" * 1500,
        b"/s/" + b"x/" * 900,
        b"/s/empty/",
        b"/s/sub",
    ],
)
async def test_no_target_leads_out_of_the_folder_or_to_what_is_hidden(serving: Raw, target: bytes) -> None:
    answer = await serving.whole(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert SECRET.encode() not in answer.data
    # Below the prefix there is nothing; what is not below it is an ordinary request for a worker.
    assert answer.statuses in ([404], [400]) or b'"path"' in answer.data


async def test_a_compressed_twin_that_is_a_link_is_not_followed(serving: Raw) -> None:
    head = b"GET /s/page.html HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    answer = await serving.whole(head)

    assert answer.statuses == [200]
    assert answer.data.endswith(b"page")
    assert SECRET.encode() not in answer.data

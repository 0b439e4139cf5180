"""The shipped files as nginx and HAProxy themselves check them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.parts.proxies.programs import HAPROXY_FILE, Certificate, Server, haproxy_file, nginx_files, program
from tests.parts.proxies.scene import make_certificate

pytestmark = pytest.mark.parts
SERVERS = [Server(8001, 9001), Server(8002, 9002)]


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    """Of localhost."""
    return make_certificate(tmp_path)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("tls", [False, True])
def test_nginx_finds_nothing_wrong(tmp_path: Path, certificate: Certificate, tls: bool) -> None:
    # Sockets of the test's own folder: with -t nginx binds what it would listen on.
    plain, secure = (f"unix:{tmp_path / name}" for name in ("plain", "secure"))
    path = nginx_files(tmp_path, SERVERS, certificate, plain, secure, tls=tls)
    assert ("ssl_certificate" in (tmp_path / "trunkline.conf").read_text().replace("#tls ssl", "")) == tls
    done = run(program("nginx"), "-t", "-p", str(tmp_path), "-c", str(path), "-e", "stderr")
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr


def test_haproxy_finds_nothing_wrong_with_the_file_as_it_is() -> None:
    done = run(program("haproxy"), "-c", "-f", str(HAPROXY_FILE))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout + done.stderr


def test_haproxy_finds_nothing_wrong_with_tls(tmp_path: Path, certificate: Certificate) -> None:
    path = haproxy_file(tmp_path, SERVERS, certificate, "127.0.0.1:8000", "127.0.0.1:8443")
    done = run(program("haproxy"), "-c", "-f", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout + done.stderr

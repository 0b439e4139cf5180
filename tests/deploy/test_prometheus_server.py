"""The Prometheus that `up` starts: found or refused, configured, and said."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.support.commands import ROOT, command
from trunkline.deploy import prometheus_server
from trunkline.deploy.prometheus_server import configuration, find_binary, plan, source
from trunkline.deploy.rundir import RunDir
from trunkline.deploy.settings import UpSettings
from trunkline.protocol.errors import ConfigError
from trunkline.protocol.exit_codes import ExitCode

COMMITTED = (ROOT / "deploy" / "prometheus.yml").read_text()


def a_program(folder: Path, says: str, name: str = "prometheus") -> Path:
    """A program of this name that prints a text."""
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{says}'\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def settings(**values: Any) -> UpSettings:
    return UpSettings.model_validate({"module": "chat.routing", "targets_port": 4000, **values})


def test_one_that_is_new_enough_is_found(tmp_path: Path) -> None:
    file = a_program(tmp_path, "prometheus, version 2.42.0+ds (branch: debian/sid)")

    assert find_binary(str(tmp_path)) == str(file)


@pytest.mark.parametrize(
    ("says", "wrong"),
    [
        (None, "there is no prometheus on PATH"),
        ("prometheus, version 2.27.1 (branch: HEAD)", "is version 2.27, and 2.28 or newer is needed"),
        ("hello", r"does not tell its version \(hello\)"),
        ("", r"does not tell its version \(no answer\)"),
    ],
)
def test_where_there_is_none_it_is_said_what_to_do(tmp_path: Path, says: str | None, wrong: str) -> None:
    if says is not None:
        a_program(tmp_path, says)

    with pytest.raises(ConfigError, match=f"{wrong}.*apt-get install prometheus.*leave --prometheus"):
        find_binary(str(tmp_path))


def test_a_file_that_is_no_program_is_none(tmp_path: Path) -> None:
    file = tmp_path / "prometheus"
    file.write_bytes(b"\x7fELF nothing")
    file.chmod(0o755)

    with pytest.raises(ConfigError, match="does not tell its version"):
        find_binary(str(tmp_path))


def test_up_says_it_before_anything_starts(tmp_path: Path) -> None:
    run = tmp_path / ".run"
    flags = ["--port", "0", "--prometheus", "--run-dir", str(run)]
    done = command("up", "examples.echo.routing", *flags, environ={"PATH": str(tmp_path)})

    assert done.code == ExitCode.USAGE
    assert "trunkline up: --prometheus: there is no prometheus on PATH; install it" in done.err
    assert not (run / "state.json").exists()


@pytest.mark.parametrize(
    ("sends_to", "alerts"),
    [("/graph", "/alerts"), ("/classic/graph", "/classic/alerts")],
    ids=["upstream", "debian"],
)
def test_the_page_of_the_alerts_stands_beside_the_one_that_it_sends_people_to(
    sends_to: str, alerts: str
) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if self.path == "/" else 200)
            self.send_header("Location", sends_to)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever).start()
        page = f"http://127.0.0.1:{server.server_port}"
        assert prometheus_server.alerts_page(f"{page}/") == f"{page}{alerts}"
        server.shutdown()
    assert prometheus_server.alerts_page(f"{page}/") == f"{page}/alerts"


def test_only_the_address_and_the_intervals_are_a_clusters_own() -> None:
    own = configuration(COMMITTED, "[::1]:4000", 0.5)

    changed = [
        (before.strip(), after.strip())
        for before, after in zip(COMMITTED.splitlines(), own.splitlines(), strict=True)
        if before != after
    ]
    assert changed == [
        ("scrape_interval: 5s", "scrape_interval: 500ms"),
        ("evaluation_interval: 5s", "evaluation_interval: 500ms"),
        ("- url: http://127.0.0.1:9400/targets", "- url: http://[::1]:4000/targets"),
        ("refresh_interval: 5s", "refresh_interval: 500ms"),
    ]


@pytest.mark.parametrize("text", ["", COMMITTED.replace("9400", "9401"), COMMITTED.replace(": 5s", ": 6s")])
def test_a_file_without_what_is_exchanged_is_refused(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"expected http://127\.0\.0\.1:9400/targets once and three intervals"
    ):
        configuration(text, "127.0.0.1:4000", 5.0)


def test_what_it_reads_is_in_the_run_directory_for_its_owner_alone(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path / "run")
    run_dir.make()

    watcher = plan("/usr/bin/prometheus", run_dir, settings(admin_host="0.0.0.0"))

    file = run_dir.prometheus / "prometheus.yml"
    assert "http://127.0.0.1:4000/targets" in file.read_text()
    rules = run_dir.prometheus / "prometheus" / "rules.yml"
    assert rules.read_text() == (ROOT / "deploy" / "prometheus" / "rules.yml").read_text()
    assert "- prometheus/rules.yml" in file.read_text()
    assert run_dir.prometheus.stat().st_mode & 0o077 == 0
    assert watcher.command[:2] == ["/usr/bin/prometheus", f"--config.file={file}"]
    port = watcher.page.removeprefix("http://127.0.0.1:").removesuffix("/")
    assert int(port) > 0
    assert f"--web.listen-address=127.0.0.1:{port}" in watcher.command


def test_a_port_that_is_taken_is_said_with_its_flag(tmp_path: Path, taken_port: int) -> None:
    run_dir = RunDir(tmp_path / "run")
    run_dir.make()

    with pytest.raises(ConfigError, match=f"port {taken_port} is in use.*--prometheus-port"):
        plan("/usr/bin/prometheus", run_dir, settings(prometheus_port=taken_port))


def test_an_installed_package_has_the_files_within_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert source() == ROOT / "deploy"
    monkeypatch.setattr(prometheus_server, "__file__", os.fspath(tmp_path / "prometheus_server.py"))
    (tmp_path / "monitoring").mkdir()

    assert source() == tmp_path / "monitoring"

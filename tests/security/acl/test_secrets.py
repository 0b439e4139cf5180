"""A password of Redis stands in no log, no process list, no error and no status, of a whole cluster's life."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from tests.security.acl.server import PASSWORD, AclServer
from tests.support.commands import command, up_of_one
from trunkline.deploy import supervisor
from trunkline.deploy.rundir import ClusterState, RunDir
from trunkline.deploy.settings import DeadListSettings, DevSettings, UpSettings
from trunkline.interface.settings import InterfaceSettings
from trunkline.protocol.errors import ConfigError
from trunkline.protocol.settings import LayerSettings, Settings, parse
from trunkline.worker import outside
from trunkline.worker.settings import WorkerSettings

pytestmark = pytest.mark.timeout(120)

FORMS = (PASSWORD, quote(PASSWORD, safe=""), "s3cr")
URL = f"redis://app:{quote(PASSWORD, safe='')}@127.0.0.1:1/0"
"""Nobody listens there."""


def leaks(text: str) -> list[str]:
    return [line for line in text.splitlines() if any(form in line for form in FORMS)]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / ".run"
    command("down", "--run-dir", tmp_path / ".run")


def test_nothing_of_a_running_cluster_shows_it(server: AclServer, folder: Path) -> None:
    server.admin.flushall()
    environ = {"TRUNKLINE_REDIS_URL": server.url(), "TRUNKLINE_LOG_LEVEL": "debug"}
    printed = [command(*up_of_one("examples.chat.routing", folder), environ=environ)]
    assert printed[0].code == 0, printed[0].printed
    run_dir = RunDir(folder)
    state = run_dir.load()
    assert state is not None and server.url() in str(state.layer)
    members = supervisor.members(state.cluster)
    assert {member.role for member in members} == {"circusd", "interface", "worker"}

    listed = [word for member in members for word in psutil.Process(member.pid).cmdline()]
    other = {**environ, "TRUNKLINE_REDIS_URL": server.url("nobody", PASSWORD + "2")}
    asked: list[list[str]] = [
        ["status", "--run-dir", str(folder), "--json"],
        ["status", "--run-dir", str(folder)],
        ["logs", "--run-dir", str(folder)],
        ["dead", "list", "--run-dir", str(folder)],
    ]
    with ThreadPoolExecutor() as pool:
        printed += pool.map(lambda arguments: command(*arguments), asked)
    printed.append(command("scale", "--run-dir", folder, "--workers", "2"))
    assert [done.printed for done in printed if done.code != 0] == []
    printed.append(command(*up_of_one("examples.chat.routing", folder), environ=other))
    assert "redis-url is" in printed[-1].err  # what runs, and what was asked for now
    server.admin.execute_command("ACL", "SETUSER", "trunkline", "-xadd")
    try:
        printed.append(command("dead", "list", "--run-dir", folder))
    finally:
        server.admin.execute_command("ACL", "SETUSER", "trunkline", "+xadd")
    printed.append(command("down", "--run-dir", folder))

    assert leaks("\n".join(listed)) == []
    assert leaks("\n".join(done.printed for done in printed)) == []
    logs = "\n".join(file.read_text(errors="replace") for file in run_dir.log.glob("*.log*"))
    assert "listening address=" in logs
    assert leaks(logs) == []
    assert repr(state) and leaks(repr(state)) == []


def test_what_holds_it_on_disk_is_for_its_owner_alone(server: AclServer, folder: Path) -> None:
    run_dir = RunDir(folder)
    run_dir.make()
    before = os.umask(0)
    try:
        layer = {"redis_url": server.url()}
        run_dir.save(ClusterState("c", {}, "h", 1, "m", 1, 1, False, 1.0, 1.0, layer))
    finally:
        os.umask(before)

    (holding,) = [file for file in folder.rglob("*") if file.is_file() and leaks(file.read_text())]
    assert holding == run_dir.state_file
    assert stat.S_IMODE(holding.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "arguments",
    [
        ["interface", "--port", "0"],
        ["worker", "examples.echo.routing"],
        ["up", "examples.echo.routing", "--port", "0"],
        ["dead", "list"],
    ],
)
def test_a_command_that_cannot_reach_redis_does_not_show_it(arguments: list[str], tmp_path: Path) -> None:
    flags = ["--run-dir", str(tmp_path / ".run")] if arguments[0] in ("up", "dead") else []
    done = command(*arguments, *flags, environ={"TRUNKLINE_REDIS_URL": URL})

    assert done.code != 0
    assert "Redis" in done.err
    assert leaks(done.printed) == []


@pytest.mark.parametrize(
    "url",
    [
        f"http://app:{PASSWORD}@host",
        f"redis://app:{PASSWORD}@host:6379/0",
        f"redis://:{PASSWORD}@host",
        f"app:{PASSWORD}@host",
        f"redis//app:{PASSWORD}@host",
        "redis://:s3cr/et@host:6379/0",
        "redis://:s3cret@host:99999/0",
    ],
)
def test_a_url_that_is_refused_is_not_quoted(url: str) -> None:
    kinds: list[tuple[type[Settings], list[str]]] = [
        (InterfaceSettings, []),
        (WorkerSettings, ["m"]),
        (UpSettings, ["m"]),
        (DevSettings, ["m"]),
        (DeadListSettings, []),
    ]
    for declared, needed in kinds:
        with pytest.raises(ConfigError) as refused:
            parse(declared, [*needed, "--redis-url", url], "trunkline x")
        assert "--redis-url" in str(refused.value)
        assert leaks(f"{refused.value}\n{refused.value.__cause__}") == []
    with pytest.raises(ConfigError) as refused, outside(url):
        pass
    assert leaks(str(refused.value)) == []


@pytest.mark.parametrize("verb", ["interface", "dead list"])
def test_a_command_does_not_quote_a_url_that_it_refuses(verb: str) -> None:
    done = command(*verb.split(), environ={"TRUNKLINE_REDIS_URL": f"http://app:{PASSWORD}@host"})

    assert done.code != 0
    assert "redis-url" in done.err
    assert leaks(done.printed) == []


def test_settings_that_are_logged_or_shown_by_a_debugger_hide_it(caplog: pytest.LogCaptureFixture) -> None:
    for declared in (LayerSettings, InterfaceSettings, DeadListSettings):
        settings = declared.model_validate({"redis_url": URL})
        logging.getLogger("x").error("%r %s", settings, settings)

    assert len(caplog.records) == 3
    assert leaks(caplog.text) == []

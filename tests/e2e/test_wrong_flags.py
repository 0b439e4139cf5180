"""Wrong flags, variables and routings: every mistake is named at once, nothing is started, the exit code says which."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import ROOT, command
from trunkline.protocol.exit_codes import ExitCode


def trunkline(*arguments: str, cwd: Path = ROOT, variables: dict[str, str] | None = None) -> tuple[int, str]:
    """Runs a command that must end of itself: exit code and what it printed."""
    done = command(*arguments, cwd=cwd, environ=variables)
    return done.code, done.printed


WRONG = {
    "--port": "eighty",
    "--drain-s": "-1",
    "--redis-url": "localhost:6379",
    "--allowed-origins": "example.com",
    "--trusted-proxies": "10.0.0.0/99",
    "--tls-cert": "no-such.pem",
    "--static": "/=no-such-folder",
    "--max-message-bytes": "0",
    "--log-level": "loud",
}


def test_every_wrong_flag_of_the_interface_is_named_at_once_with_its_value() -> None:
    code, printed = trunkline("interface", *(word for flag in WRONG.items() for word in flag))

    assert code == ExitCode.USAGE
    for flag, value in WRONG.items():
        assert any(flag in line and value in line for line in printed.splitlines()), f"{flag}:\n{printed}"
    assert "Traceback" not in printed


def test_a_flag_that_does_not_exist_is_named() -> None:
    code, printed = trunkline("interface", "--prot", "8000")

    assert code == ExitCode.USAGE
    assert "--prot" in printed


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ([], ["MODULE"]),
        (
            ["examples.echo.routing", "--threads", "many", "--prefetch", "0", "--handler-timeout-s", "0"],
            ["--threads", "'many'", "whole number", "--prefetch", "'0'", "--handler-timeout-s"],
        ),
        (["examples.echo.routing", "--only-channels", "nothing.*"], ["--only-channels", "nothing.*"]),
        (["examples.echo.routing", "another"], ["another"]),
    ],
)
def test_a_wrong_flag_of_the_worker_is_named(flags: list[str], named: list[str]) -> None:
    code, printed = trunkline("worker", *flags)

    assert code == ExitCode.USAGE
    assert [word for word in named if word.lower() not in printed.lower()] == [], printed
    assert "Traceback" not in printed


def test_a_wrong_variable_is_named_as_the_flag_it_stands_for() -> None:
    code, printed = trunkline("interface", variables={"TRUNKLINE_PORT": "eighty"})

    assert code == ExitCode.USAGE
    assert "TRUNKLINE_PORT" in printed


def test_a_verb_that_does_not_exist_is_named() -> None:
    code, printed = trunkline("interfaces")

    assert code == ExitCode.USAGE
    assert "'interfaces'" in printed


@pytest.mark.parametrize("role", [["interface", "--port", "0"], ["worker", "examples.echo.routing"]])
def test_a_redis_that_is_not_there_has_an_exit_code_of_its_own(role: list[str], tmp_path: Path) -> None:
    code, printed = trunkline(*role, "--redis-url", f"unix://{tmp_path}/none")

    assert code == ExitCode.NO_REDIS
    assert "Redis" in printed
    assert "Traceback" not in printed


BAD_ROUTING = """
from trunkline.worker import include, route


def takes_nothing_named(message):
    pass


def fine(message):
    pass


channel_routing = [
    route("websocket.connect", "no_such_module.consumers.ws_add", path=r"^/a$"),
    route("websocket.connect", "bad_routing.no_such_handler", path=r"^/b$"),
    route("websocket.receive", takes_nothing_named, path=r"^/(?P<room>[a-z]+)$"),
    route("websocket.receive", fine, path=r"^/(unclosed$"),
    route("websocket.disconnect", fine, path=r"^/twice$"),
    route("websocket.disconnect", fine, path=r"^/twice$"),
    include("no_such_routing", path=r"^/included"),
]
"""


def test_every_mistake_of_a_routing_is_listed_at_once_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "bad_routing.py").write_text(BAD_ROUTING)
    lines = BAD_ROUTING.splitlines()

    code, printed = trunkline("worker", "bad_routing", cwd=tmp_path)

    assert code == ExitCode.ROUTING
    mistakes = [
        "no_such_module",
        "no_such_handler",
        "takes_nothing_named, path",
        "unclosed",
        'websocket.disconnect", fine',
        "no_such_routing",
    ]
    for mistake in mistakes:
        # Of two that are the same, the second is the mistake.
        number = max(index for index, line in enumerate(lines, 1) if mistake in line)
        assert f"bad_routing.py:{number}" in printed, f"{mistake} (line {number}) is not in:\n{printed}"
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (None, "bad_routing"),
        ("channel_routing = 5", "channel_routing"),
        ("import no_such_thing", "no_such_thing"),
        ("def broken(:", "bad_routing.py"),
    ],
    ids=["no module", "no list", "broken import", "broken syntax"],
)
def test_a_module_that_is_no_routing_is_refused(tmp_path: Path, text: str | None, named: str) -> None:
    if text is not None:
        (tmp_path / "bad_routing.py").write_text(text)

    code, printed = trunkline("worker", "bad_routing", cwd=tmp_path)

    assert code == ExitCode.ROUTING
    assert named in printed

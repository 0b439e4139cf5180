"""Wrong variables of the tiers are refused by name before `up` or `dev` starts anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import command
from trunkline.deploy import variables
from trunkline.protocol.errors import ConfigError
from trunkline.protocol.exit_codes import ExitCode

WRONG = {"TRUNKLINE_THREADS": "many", "TRUNKLINE_DEFLATE": "perhaps", "TRUNKLINE_TLS_KEY": "no-such.pem"}


@pytest.mark.parametrize("verb", [["up"], ["dev"], ["dev", "--no-reload"]], ids=" ".join)
def test_every_wrong_variable_is_named_at_once_and_nothing_is_started(
    verb: list[str], tmp_path: Path
) -> None:
    variables_given = {**WRONG, "TRUNKLINE_RUN_DIR": str(tmp_path / ".run")}
    done = command(*verb, "examples.echo.routing", "--port", "0", environ=variables_given)

    assert done.code == ExitCode.USAGE
    for name, value in WRONG.items():
        assert any(name in line and repr(value) in line for line in done.err.splitlines()), done.printed
    assert "Traceback" not in done.err
    assert done.out == ""


def test_a_mistake_that_concerns_both_tiers_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_ADMIN_PORT", "admin")
    with pytest.raises(ConfigError, match=r"^--admin-port .*TRUNKLINE_ADMIN_PORT.*'admin'") as caught:
        variables.check()
    assert len(str(caught.value).splitlines()) == 1


def test_a_unix_socket_is_refused_where_interface_servers_share_a_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRUNKLINE_UNIX_SOCKET", "/run/here.sock")
    with pytest.raises(ConfigError, match="--unix-socket"):
        variables.check()


def test_a_slip_in_the_name_of_a_variable_is_told_and_what_resembles_none_is_not() -> None:
    names = ["TRUNKLINE_WOKERS", "TRUNKLINE_WORKERS", "TRUNKLINE_THREDS", "TRUNKLINE_OF_OUR_SHOP", "WORKER"]
    assert variables.misspelt(names) == [
        "TRUNKLINE_THREDS is no setting and does nothing: did you mean TRUNKLINE_THREADS?",
        "TRUNKLINE_WOKERS is no setting and does nothing: did you mean TRUNKLINE_WORKERS?",
    ]


@pytest.mark.parametrize("verb", [["up"], ["dev"]], ids=" ".join)
def test_a_slip_is_told_before_anything_starts(verb: list[str], tmp_path: Path) -> None:
    given = {
        "TRUNKLINE_THREDS": "2",
        "TRUNKLINE_THREADS": "many",
        "TRUNKLINE_RUN_DIR": str(tmp_path / ".run"),
    }
    done = command(*verb, "examples.echo.routing", "--port", "0", environ=given)

    assert done.code == ExitCode.USAGE
    assert (
        "warning: TRUNKLINE_THREDS is no setting and does nothing: did you mean TRUNKLINE_THREADS?"
        in done.err
    )

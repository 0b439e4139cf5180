"""What stands in the systemd units follows from the code: exit codes, times, names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trunkline.interface.settings import InterfaceSettings
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.process.notify import STOP_MARGIN_S
from trunkline.worker.settings import WorkerSettings

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
INTERFACE, WORKER = "trunkline-interface@.service", "trunkline-worker@.service"


def values(unit: str, name: str) -> list[str]:
    """What a unit says of a setting, in order."""
    return re.findall(rf"^{name}=(.*)$", (FOLDER / unit).read_text(), re.MULTILINE)


def seconds(unit: str, name: str) -> float:
    (said,) = values(unit, name)
    return float(said)


@pytest.mark.parametrize("unit", [INTERFACE, WORKER])
def test_what_a_person_must_mend_is_not_started_again_and_all_else_is(unit: str) -> None:
    assert values(unit, "Restart") == ["always"]
    (codes,) = values(unit, "RestartPreventExitStatus")
    assert {int(code) for code in codes.split()} == {ExitCode.USAGE, ExitCode.ROUTING}


@pytest.mark.parametrize("unit", [INTERFACE, WORKER])
def test_a_stop_has_the_time_of_a_drain(unit: str) -> None:
    drain_s = InterfaceSettings.model_fields["drain_s"].default
    assert seconds(unit, "TimeoutStopSec") >= drain_s + STOP_MARGIN_S
    assert values(unit, "KillSignal") == ["SIGTERM"]
    assert values(unit, "KillMode") == ["mixed"]


def test_a_handler_that_takes_as_long_as_it_may_does_not_look_like_a_hang() -> None:
    limit_s = WorkerSettings.model_fields["handler_timeout_s"].default
    # Half of it is the time between two pings.
    assert seconds(WORKER, "WatchdogSec") / 2 > limit_s
    assert seconds(INTERFACE, "WatchdogSec") > InterfaceSettings.model_fields["interface_lease_s"].default


@pytest.mark.parametrize("unit", [INTERFACE, WORKER])
def test_a_process_tells_systemd_itself_and_where_it_hung(unit: str) -> None:
    assert values(unit, "Type") == ["notify"]
    assert values(unit, "NotifyAccess") == ["main"]
    assert "PYTHONFAULTHANDLER=1" in values(unit, "Environment")[0].split()


def test_every_interface_server_has_the_socket() -> None:
    assert values(INTERFACE, "Sockets") == ["trunkline-interface.socket"]
    assert values("trunkline-interface.socket", "Backlog") == [
        str(InterfaceSettings.model_fields["backlog"].default)
    ]
    assert values("trunkline-interface.socket", "Accept") == []


def test_starts_while_redis_is_away_are_fewer_than_the_limit() -> None:
    interval_s = seconds(INTERFACE, "StartLimitIntervalSec")
    assert interval_s / seconds(INTERFACE, "RestartSec") <= seconds(INTERFACE, "StartLimitBurst")


def test_both_tiers_are_confined_alike_but_for_what_libraries_need() -> None:
    confined = [
        {
            line
            for line in (FOLDER / unit).read_text().partition("# Hardening")[2].splitlines()
            if "=" in line[:40]
        }
        for unit in (INTERFACE, WORKER)
    ]
    plain = [{line for line in lines if not line.startswith("#")} for lines in confined]
    assert plain[0] - plain[1] == {"MemoryDenyWriteExecute=yes"}
    assert plain[1] - plain[0] == set()

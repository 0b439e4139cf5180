"""The table of verbs."""

from __future__ import annotations

import re
from importlib.metadata import version

import pytest

from trunkline.deploy import cli
from trunkline.deploy.cli import VERBS, main
from trunkline.protocol.exit_codes import ExitCode


def test_help_shows_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == ExitCode.OK
    shown = re.findall(r"^  ([\w-]+) +\w", capsys.readouterr().out, re.MULTILINE)
    assert shown == list(VERBS)


def test_no_verb_is_a_mistake_that_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == ExitCode.USAGE
    assert "usage: trunkline VERB" in capsys.readouterr().out


def test_an_unknown_verb_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["start"]) == ExitCode.USAGE
    assert "'start' is no verb; expected one of dev, up" in capsys.readouterr().err


def test_a_slip_in_a_verb_or_a_flag_is_answered_with_the_right_word(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["statsu"]) == ExitCode.USAGE
    with pytest.raises(SystemExit):
        main(["up", "chat.routing", "--worker=3", "--start-timeout-s", "3", "--elsewhere", "1"])
    told = capsys.readouterr().err
    assert "'statsu' is no verb (did you mean 'status'?)" in told
    assert told.count("did you mean") == 2 and "(did you mean --workers?)" in told


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == ExitCode.OK
    assert capsys.readouterr().out == f"trunkline {version('trunkline')}\n"


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("dead", "deploy")])
def test_each_verb_has_a_help_of_its_own(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    assert f"usage: trunkline {verb}" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["dev", "up", "interface", "worker", "scale", "logs"])
def test_each_verb_refuses_a_wrong_flag_by_name(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, *(["chat.routing"] if verb in ("dev", "up", "worker") else []), "--no-such-flag", "1"])
    assert ended.value.code == ExitCode.USAGE
    assert "--no-such-flag" in capsys.readouterr().err


def test_ctrl_c_ends_with_the_code_that_shells_know(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(argv: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.VERBS, "status", cli.Verb("", interrupted))
    assert main(["status"]) == 130

"""Settings of the verbs: wrong values are refused by name before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkline.deploy import dead
from trunkline.deploy.settings import (
    DeadDropSettings,
    DeadListSettings,
    DeployShareSettings,
    DeployStartSettings,
    DevSettings,
    DownSettings,
    LogsSettings,
    ScaleSettings,
    StartappSettings,
    StatusSettings,
    UpSettings,
)
from trunkline.protocol.errors import ConfigError
from trunkline.protocol.settings import Settings, parse

EVERY = [
    DeadListSettings,
    DevSettings,
    DownSettings,
    LogsSettings,
    ScaleSettings,
    StartappSettings,
    StatusSettings,
    UpSettings,
]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRUNKLINE_WORKERS", "TRUNKLINE_REDIS_URL", "TRUNKLINE_PORT", "TRUNKLINE_STATIC"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--workers", "0"], "--workers (or TRUNKLINE_WORKERS): '0'"),
        (["--workers", "65"], "--workers (or TRUNKLINE_WORKERS): '65'"),
        (["--interfaces", "two"], "--interfaces (or TRUNKLINE_INTERFACES): 'two'"),
        (["--port", "70000"], "--port (or TRUNKLINE_PORT): '70000'"),
        (["--redis-url", "host:6379"], "--redis-url (or TRUNKLINE_REDIS_URL): 'host:6379'"),
        (["--static", "/=/no/such/folder"], "--static (or TRUNKLINE_STATIC)"),
        (["--admin-port", "9000"], "--admin-port (or TRUNKLINE_ADMIN_PORT): '9000'"),
        (
            ["--admin-advertise", "web1:9400"],
            "--admin-advertise (or TRUNKLINE_ADMIN_ADVERTISE): 'web1:9400' is not right: expected HOST without a port",
        ),
        (["--admin-advertise", "http://web1"], "'http://web1' is not right: expected HOST or HOST:PORT"),
        (
            ["--prometheus-interval-s", "0"],
            "--prometheus-interval-s (or TRUNKLINE_PROMETHEUS_INTERVAL_S): '0'",
        ),
        (["--drain-s", "-1"], "--drain-s (or TRUNKLINE_DRAIN_S): '-1'"),
        (["--start-timeout-s", "soon"], "--start-timeout-s (or TRUNKLINE_START_TIMEOUT_S): 'soon'"),
        (["--wrokers", "2"], "--wrokers"),
    ],
)
def test_a_wrong_value_of_up_is_refused_by_name(flags: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(UpSettings, ["chat.routing", *flags], "trunkline up")
    assert complaint in str(refused.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        parse(UpSettings, ["chat.routing", "--workers", "0", "--port", "x"], "trunkline up")
    assert len(str(refused.value).splitlines()) == 2


@pytest.mark.parametrize("module", ["chat/routing.py", "chat.", "", "chat..routing", "1chat"])
def test_what_cannot_be_a_module_is_refused(module: str) -> None:
    with pytest.raises(ConfigError, match=r"expected an importable module such as 'chat\.routing'"):
        parse(UpSettings, [module], "trunkline up")


@pytest.mark.parametrize("name", ["1chat", "chat-app", "class", "čhat", "a.b", ""])
def test_what_cannot_be_a_package_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="expected a Python name"):
        parse(StartappSettings, [name], "trunkline startapp")


def test_a_variable_counts_like_a_flag_and_a_flag_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_WORKERS", "7")
    assert parse(UpSettings, ["chat.routing"], "trunkline up").workers == 7
    assert parse(UpSettings, ["chat.routing", "--workers", "3"], "trunkline up").workers == 3


def test_a_wrong_variable_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_WORKERS", "many")
    with pytest.raises(ConfigError, match="TRUNKLINE_WORKERS"):
        parse(UpSettings, ["chat.routing"], "trunkline up")


@pytest.mark.parametrize("settings", EVERY)
def test_help_tells_every_setting_with_its_variable(
    settings: type[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(settings, ["--help"], "trunkline verb")
    assert ended.value.code == 0
    text = "".join(capsys.readouterr().out.split())
    for name, field in settings.model_fields.items():
        assert "".join((field.description or "no description").split()) in text
        if not field.is_required():
            assert f"[TRUNKLINE_{name.upper()}]" in text


def test_json_is_one_word() -> None:
    assert parse(StatusSettings, ["--json"], "trunkline status").as_json


@pytest.mark.parametrize("verb", dead.VERBS)
def test_every_verb_about_dead_letters_can_answer_as_json(verb: str) -> None:
    ids = ["1-0"] if verb == "show" else []
    assert parse(dead.VERBS[verb][0], ["--json", *ids], f"trunkline dead {verb}").as_json


def test_all_dead_letters_can_be_meant_by_what_changes_them() -> None:
    for verb in ("redrive", "drop"):
        settings = parse(dead.VERBS[verb][0], ["--all", "--json"], f"trunkline dead {verb}")
        assert isinstance(settings, DeadDropSettings) and settings.every


def test_dev_has_no_flags_of_an_admin_server_that_it_does_not_start() -> None:
    with pytest.raises(ConfigError, match="unrecognized arguments: --admin-port"):
        parse(DevSettings, ["chat.routing", "--admin-port", "9000"], "trunkline dev")


def test_code_that_is_deployed_stands_in_a_directory(tmp_path: Path) -> None:
    assert parse(DeployStartSettings, [], "deploy start").code is None
    assert parse(DeployStartSettings, ["--code", str(tmp_path)], "deploy start").code == tmp_path
    with pytest.raises(ConfigError, match="expected a directory"):
        parse(DeployStartSettings, ["--code", str(tmp_path / "nowhere")], "deploy start")


def test_a_share_is_that_of_a_track_by_its_name() -> None:
    assert parse(DeployShareSettings, ["5"], "deploy share").track == ""
    assert parse(DeployShareSettings, ["5", "--track", "v2"], "deploy share").track == "v2"
    with pytest.raises(ConfigError, match="expected 1 to 30"):
        parse(DeployShareSettings, ["5", "--track", "A B"], "deploy share")

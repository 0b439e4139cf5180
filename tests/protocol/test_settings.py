"""Settings: flags, variables and defaults, and mistakes told the way the user typed them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, model_validator
from pydantic_settings import CliPositionalArg

from trunkline.protocol.errors import ConfigError
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.settings import Port, ProcessSettings, parse, parse_or_exit


class Example(ProcessSettings):
    module: CliPositionalArg[str] = Field(description="module with channel_routing")
    count: CliPositionalArg[int] = Field(1, description="how many")
    key: int = Field(description="a number that must be given")
    origins: list[str] = Field([], description="origins that may connect")
    ports: list[Port] = Field([80], description="ports, 100% of them")
    wait_ms: int = Field(5, description="how long to wait")
    folder: Path = Field(Path("."), description="where to write")
    tls: bool = Field(False, description="use TLS")
    cert: str | None = Field(None, description="certificate")

    @model_validator(mode="after")
    def _certificate_with_tls(self) -> Example:
        if self.tls and self.cert is None:
            raise ValueError("--tls needs --cert")
        return self


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Example.model_fields:
        monkeypatch.delenv(f"TRUNKLINE_{name.upper()}", raising=False)


def read(*argv: str) -> Example:
    return parse(Example, ["chat.routing", "--key", "1", *argv], "trunkline example")


def mistake(*argv: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(Example, argv, "trunkline example")
    return str(caught.value)


def test_a_flag_wins_over_its_variable_and_that_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read().drain_s == 30.0
    monkeypatch.setenv("TRUNKLINE_DRAIN_S", "7")
    assert read().drain_s == 7.0
    assert read("--drain-s", "8").drain_s == 8.0


def test_an_empty_variable_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_DRAIN_S", "")
    monkeypatch.setenv("TRUNKLINE_PORTS", "")
    assert read().drain_s == 30.0 and read().ports == [80]


@pytest.mark.parametrize(
    "argv", [["--origins", "a,b"], ["--origins", "a", "--origins", "b"], ["--origins", " a, b,"]]
)
def test_a_list_is_written_with_commas_or_by_repeating_its_flag(argv: list[str]) -> None:
    assert read(*argv).origins == ["a", "b"]


def test_a_list_is_written_with_commas_in_its_variable_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_ORIGINS", "https://a.example,https://b.example")
    monkeypatch.setenv("TRUNKLINE_PORTS", "1, 2")
    assert read().origins == ["https://a.example", "https://b.example"]
    assert read().ports == [1, 2]
    assert read("--ports", "").ports == []


def test_a_switch_has_two_flags_and_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_TLS", "yes")
    monkeypatch.setenv("TRUNKLINE_CERT", "x.pem")
    assert read().tls is True and read("--no-tls").tls is False and read().cert == "x.pem"


MISTAKES = [
    (["m"], "--key (or TRUNKLINE_KEY) is missing: a number that must be given"),
    (["m", "--key", "x"], "--key (or TRUNKLINE_KEY): 'x' is not right: expected a whole number"),
    (["m", "--key", ""], "--key (or TRUNKLINE_KEY): '' is not right: expected a whole number"),
    (["m", "--key", "1.5"], "--key (or TRUNKLINE_KEY): '1.5' is not right: expected a whole number"),
    (["m", "x", "--key", "1"], "COUNT: 'x' is not right: expected a whole number"),
    (["--key", "1"], "the following arguments are required: MODULE; see 'trunkline example --help'"),
    (
        ["m", "--key", "1", "--ports", "1,x"],
        "--ports (or TRUNKLINE_PORTS): 'x' is not right: expected a whole number",
    ),
    (
        ["m", "--key", "1", "--ports", "99999"],
        "--ports (or TRUNKLINE_PORTS): '99999' is not right: expected less than or equal to 65535",
    ),
    (
        ["m", "--key", "1", "--drain-s", "x"],
        "--drain-s (or TRUNKLINE_DRAIN_S): 'x' is not right: expected a number",
    ),
    (
        ["m", "--key", "1", "--loop", "x"],
        "--loop (or TRUNKLINE_LOOP): 'x' is not right: expected 'auto', 'uvloop' or 'asyncio'",
    ),
    (["m", "--key", "1", "--bad", "x"], "unrecognized arguments: --bad x; see 'trunkline example --help'"),
    (
        ["m", "--key", "1", "--drain", "3"],
        "unrecognized arguments: --drain 3 (did you mean --drain-s?); see 'trunkline example --help'",
    ),
    (["m", "--key", "1", "--tls"], "--tls needs --cert"),
    (
        ["m", "--key", "1", "--prefix", "a{b"],
        "--prefix (or TRUNKLINE_PREFIX): 'a{b' is not right: key prefix 'a{b': expected 1 to 50 letters, digits, "
        "'_', '.' or '-'",
    ),
]


@pytest.mark.parametrize(("argv", "text"), MISTAKES, ids=[" ".join(argv) for argv, _ in MISTAKES])
def test_a_mistake_is_told_with_what_was_typed_and_what_was_expected(argv: list[str], text: str) -> None:
    assert mistake(*argv) == text


def test_a_wrong_variable_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_TLS", "maybe")
    assert (
        mistake("m", "--key", "1") == "--tls (or TRUNKLINE_TLS): 'maybe' is not right: expected true or false"
    )


@pytest.mark.parametrize("url", ["http://x", "redis:/x", "redis://", "x", ""])
def test_a_url_that_is_not_of_redis_is_refused(url: str) -> None:
    assert (
        f"--redis-url (or TRUNKLINE_REDIS_URL): {url!r} is not right: expected a URL of redis://…"
        in mistake("m", "--key", "1", "--redis-url", url)
    )


@pytest.mark.parametrize("url", ["redis://h:1/0", "rediss://u:p@h", "unix:///run/redis.sock"])
def test_a_url_of_redis_is_taken(url: str) -> None:
    assert read("--redis-url", url).redis_url == url


def test_every_mistake_has_its_own_line() -> None:
    lines = mistake("m", "--key", "x", "--loop", "y", "--ports", "a,b").splitlines()
    assert [line.split()[0] for line in lines] == ["--loop", "--key", "--ports", "--ports"]


def test_help_shows_units_variables_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(Example, ["--help"], "trunkline example", "An example.")
    text = " ".join(capsys.readouterr().out.split())
    assert caught.value.code == 0 and "An example." in text
    for part in (
        "MODULE module with channel_routing",
        "COUNT how many (default: 1) [TRUNKLINE_COUNT]",
        "--key INT a number that must be given [TRUNKLINE_KEY]",
        "--origins TEXT,… origins that may connect [TRUNKLINE_ORIGINS]",
        "--ports INT,… ports, 100% of them (default: [80]) [TRUNKLINE_PORTS]",
        "--wait-ms MILLISECONDS how long to wait (default: 5) [TRUNKLINE_WAIT_MS]",
        "--drain-s SECONDS seconds a stop may take before what is left is cut off (default: 30.0) [TRUNKLINE_DRAIN_S]",
        "--tls, --no-tls use TLS [TRUNKLINE_TLS]",
        "--cert TEXT certificate [TRUNKLINE_CERT]",
        "--folder PATH where to write (default: .) [TRUNKLINE_FOLDER]",
        "--admin-port INT port of the admin server; 0 lets the kernel choose (default: 0) [TRUNKLINE_ADMIN_PORT]",
        "--loop {auto,uvloop,asyncio}",
    ):
        assert part in text


def test_parse_or_exit_prints_each_mistake_and_ends_with_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_or_exit(Example, ["m", "--key", "x", "--loop", "y"], "trunkline example")
    assert caught.value.code == ExitCode.USAGE
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all(line.startswith("trunkline example: --") for line in lines)


def test_parse_or_exit_returns_what_is_right() -> None:
    assert parse_or_exit(Example, ["m", "--key", "3"], "trunkline example").key == 3


def test_shards_are_those_of_the_urls_or_as_many_of_a_cluster_as_are_asked_for() -> None:
    assert len(read("--redis-url", "redis+cluster://a", "--shards", "7").places) == 7
    assert len(read("--redis-url", "redis://a,redis://b").places) == 2
    with pytest.raises(ConfigError, match="expected 3 URLs, as many as --shards says, got 1"):
        read("--shards", "3")

"""Settings: declared once, each gives a flag, an environment variable, a default, a help text, a validation.

A tier subclasses `ProcessSettings` in its own ``settings.py``. Flags win over ``TRUNKLINE_…`` variables,
those over defaults. A list is written with commas, ``a,b``; its flag may also be repeated.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self, TypeVar, get_args, get_origin

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, CliSettingsSource, SettingsConfigDict

from .errors import ConfigError, InvalidName
from .exit_codes import ExitCode
from .names import MAX_SHARDS, Keys
from .process.advertise import split_address
from .redis_layout import Place, Places
from .redis_url import check_redis_url as check_redis_url
from .redis_url import places_of, without_secrets

S = TypeVar("S", bound="Settings")


class Settings(BaseSettings):
    """Base of every settings class."""

    model_config = SettingsConfigDict(
        env_prefix="TRUNKLINE_",
        extra="forbid",
        frozen=True,
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_avoid_json=True,
        cli_hide_none_type=True,
        env_ignore_empty=True,
        enable_decoding=False,  # or a list in the environment would have to be JSON
        hide_input_in_errors=True,  # a URL holds a password, and a traceback shows pydantic's own text too
    )

    @field_validator("*", mode="before")
    @classmethod
    def _split_list(cls, value: object, info: ValidationInfo) -> object:
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, str) and get_origin(field.annotation) is list:
            return [item.strip() for item in value.split(",") if item.strip()]
        return value


def _check_prefix(value: str) -> str:
    try:
        Keys(value)
    except InvalidName as error:
        raise ValueError(str(error)) from error
    return value


def _check_advertise(value: str) -> str:
    if value:
        split_address(value)
    return value


RedisUrl = Annotated[str, AfterValidator(check_redis_url)]
Port = Annotated[int, Field(ge=0, le=65535)]
PositiveSeconds = Annotated[float, Field(gt=0, le=86_400)]
WaterfallRate = Annotated[float, Field(ge=0, le=1000)]
WATERFALL = (
    "messages a second of which an interface server keeps when each step of their way was done (/waterfall); a worker "
    "tells its part where this is not 0"
)


class LayerSettings(Settings):
    """Where the channel layer is and how much it may hold. Every command that talks to a cluster has it."""

    redis_url: RedisUrl = Field(
        "redis://127.0.0.1:6379/0",
        description="where Redis is: redis://, rediss:// (TLS), unix://, or redis+sentinel://HOSTS/SERVICE; "
        "several with commas between are shards; redis+cluster://HOSTS has several by itself",
        repr=False,  # it may hold a password
    )
    shards: Annotated[int, Field(ge=0, le=MAX_SHARDS)] = Field(
        0, description="shards in a Redis Cluster; 0 for 4. Of several URLs each is one"
    )
    prefix: Annotated[str, AfterValidator(_check_prefix)] = Field(
        "trunkline", description="first part of every Redis key; names this deployment"
    )
    capacity: Annotated[int, Field(ge=1, le=100_000_000)] = Field(
        100_000, description="entries a channel's stream may hold before interface servers are told to wait"
    )
    mailbox_capacity: Annotated[int, Field(ge=100, le=100_000_000)] = Field(
        50_000, description="entries an interface server's mailbox may hold before that server is fenced"
    )
    dead_capacity: Annotated[int, Field(ge=1, le=100_000_000)] = Field(
        10_000, description="dead letters that are kept; the oldest go first, and are counted"
    )
    interface_lease_s: PositiveSeconds = Field(
        3.0, description="seconds an interface server may be silent before it is suspected dead"
    )
    worker_lease_s: PositiveSeconds = Field(
        1.2, description="seconds a worker may be silent before it is suspected dead"
    )

    @model_validator(mode="after")
    def _check_shards(self) -> Self:
        if self.redis_url:  # some verbs may do without, and find it out later
            places_of(self.redis_url, self.shards)
        return self

    @property
    def places(self) -> Places:
        """The Redis of each shard that ``redis_url`` says."""
        return places_of(self.redis_url, self.shards)

    @property
    def place(self) -> Place:
        """The Redis of the first shard."""
        return self.places[0]


class LoopSettings(LayerSettings):
    """How a process runs."""

    loop: Literal["auto", "uvloop", "asyncio"] = Field(
        "auto", description="event loop; auto takes uvloop where it is installed"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least level that is logged"
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="how log lines look: text for people, json for programs (an object a line)"
    )
    trace_sample: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None,
        description="trace with OpenTelemetry: the share of messages, 0 to 1, that begin a trace; what comes with a "
        "traceparent follows that one; without this setting nothing is traced",
    )
    trace_from: Literal["nobody", "header", "message", "both"] = Field(
        "header",
        description="whose traceparent is followed: the one in the header of a handshake or request, or the one at the "
        "top level of a message in JSON",
    )
    waterfall_per_s: WaterfallRate = Field(0.0, description=WATERFALL)
    drain_s: PositiveSeconds = Field(
        30.0, description="seconds a stop may take before what is left is cut off"
    )


class ScalingSettings(LoopSettings):
    """What a cluster's processes shall be like; ``trunkline_desired_workers`` and ``…_interfaces`` follow from it. Give
    all processes the same."""

    target_wait_ms: Annotated[float, Field(gt=0, le=3_600_000)] = Field(
        250.0, description="milliseconds that entries may wait for a worker before more workers are wanted"
    )
    target_busy: Annotated[float, Field(gt=0, le=1)] = Field(
        0.7, description="share of its CPU, or of a worker's slots, that a process shall use"
    )
    target_connections: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        10_000, description="open WebSockets that an interface server shall have"
    )
    min_workers: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1, description="trunkline_desired_workers is never below this"
    )
    min_interfaces: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1, description="trunkline_desired_interfaces is never below this"
    )
    scale_down_s: Annotated[float, Field(ge=0, le=3_600)] = Field(
        300.0, description="seconds for which fewer processes must have sufficed before fewer are wanted"
    )


class ProcessSettings(ScalingSettings):
    """What every process of a cluster has."""

    admin_host: str = Field(
        "127.0.0.1",
        description="address of the admin server (/metrics, /targets, /live, /ready); 0.0.0.0 or :: for all",
    )
    admin_port: Port = Field(0, description="port of the admin server; 0 lets the kernel choose")
    admin_advertise: Annotated[str, AfterValidator(_check_advertise)] = Field(
        "",
        description="HOST or HOST:PORT under which others reach the admin server; else what it listens on, or where "
        "that is all addresses the one from which this machine speaks to others",
    )
    targets_port: Port = Field(
        0,
        description="port on --admin-host that all processes of one user on this machine share, for /targets alone, so "
        "that Prometheus has one address to ask; 0 for none",
    )
    dashboard: bool = Field(True, description="serve a page for people at the admin server, /dashboard")


def parse(settings: type[S], argv: Sequence[str], prog: str, description: str | None = None) -> S:
    """Reads settings from flags and environment.

    Args:
        settings: the class that declares them.
        argv: arguments behind the command's name.
        prog: the command as the user types it, for messages.
        description: first lines of ``--help``.

    Raises:
        ConfigError: values are wrong; the text has a line for each: its name, value and what was expected.
        SystemExit: with 0 after ``--help``.
    """
    root = _Parser(prog=prog, description=description, allow_abbrev=False, formatter_class=_Formatter)
    source: Any = CliSettingsSource(settings, root_parser=root, formatter_class=_Formatter)
    # An empty variable counts as none, but an empty value behind a flag is a script's mistake to be told of.
    source.env_ignore_empty = False
    typed = _describe(root, settings)
    # As a mapping: an argument of pydantic-settings itself is not among those that a class of settings declares.
    sources: dict[str, Any] = {"_cli_settings_source": source}
    source(args=list(argv))
    try:
        return settings(**sources)
    except ValidationError as error:
        raise ConfigError("\n".join(_sentence(settings, typed, item) for item in error.errors())) from error


class _Formatter(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=110)


_SIMILAR = 0.75
"""How alike two words must be (difflib's ratio): a slip of the fingers is, another word is not."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        hints = "".join(self._hint(word) for word in message.split() if word.startswith("--"))
        raise ConfigError(f"{message}{hints}; see '{self.prog} --help'")

    def _hint(self, word: str) -> str:
        """The flag that a word nearly is; nothing where it is one, or resembles none."""
        flag = word.partition("=")[0]
        near = difflib.get_close_matches(flag, self._option_string_actions, 1, _SIMILAR)
        return f" (did you mean {near[0]}?)" if near and near[0] != flag else ""


def _describe(parser: argparse.ArgumentParser, settings: type[Settings]) -> dict[str, str]:
    """Words each argument's help for people, and returns how a user types each setting."""
    typed: dict[str, str] = {}
    for action in parser._actions:
        field = settings.model_fields.get(action.dest)
        if field is None:
            continue  # --help
        variable = f"{settings.model_config.get('env_prefix', '')}{action.dest.upper()}"
        text = field.description or ""
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        if default is not None and default is not False and default not in ("", []):
            text += f" (default: {default})"
        if action.option_strings or not field.is_required():
            text += f" [{variable}]"
        action.help = text.replace("%", "%%")
        if not action.option_strings:
            typed[action.dest] = str(action.metavar)
            continue
        typed[action.dest] = f"{action.option_strings[0]} (or {variable})"
        if action.metavar is not None:  # A switch has none.
            action.metavar = _metavar(action.dest, field.annotation) or action.metavar
    return typed


_UNITS = {"_s": "SECONDS", "_ms": "MILLISECONDS", "_bytes": "BYTES"}
_KINDS: dict[Any, str] = {int: "INT", float: "NUMBER", str: "TEXT", Path: "PATH"}


def _metavar(name: str, annotation: Any) -> str | None:
    """What stands for the value in ``--help``; None where the allowed words themselves are better."""
    if get_origin(annotation) is list:
        return f"{_metavar(name, get_args(annotation)[0])},…"
    kinds = [annotation, *get_args(annotation)]
    kind = next((_KINDS[kind] for kind in kinds if kind in _KINDS), None)
    unit = next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), None)
    return unit if unit and kind in ("INT", "NUMBER") else kind


_EXPECTED = {
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_parsing": "expected a number",
    "bool_parsing": "expected true or false",
}


def _sentence(settings: type[Settings], typed: dict[str, str], item: Any) -> str:
    if not item["loc"]:
        return _expected(item)  # A rule over several settings names them itself.
    name = str(item["loc"][0])
    if item["type"] == "missing":
        return f"{typed[name]} is missing: {settings.model_fields[name].description}"
    given = without_secrets(str(item["input"])) if name == "redis_url" else item["input"]
    return f"{typed[name]}: {given!r} is not right: {_expected(item)}"


def _expected(item: Any) -> str:
    message = str(item["msg"]).removeprefix("Value error, ").replace("Input should be ", "expected ")
    return _EXPECTED.get(item["type"], message)


def parse_or_exit(settings: type[S], argv: Sequence[str], prog: str, description: str | None = None) -> S:
    """`parse`, but a mistake is printed on standard error and ends the process with `ExitCode.USAGE`."""
    try:
        return parse(settings, argv, prog, description)
    except ConfigError as error:
        for line in str(error).splitlines():
            print(f"{prog}: {line}", file=sys.stderr)
        raise SystemExit(ExitCode.USAGE) from None

"""``trunkline dead``: dead letters listed, shown, put back into their channel, dropped."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from trunkline.protocol.codec import decode_entry
from trunkline.protocol.errors import CodecError, ConfigError, LayerUnavailable
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.layer import OperatorLayer
from trunkline.protocol.messages import DeadLetterRecord
from trunkline.protocol.process.logs import printable
from trunkline.protocol.redis_layer import RedisOperatorLayer
from trunkline.protocol.settings import parse_or_exit

from .failures import refuse
from .running import layer_settings
from .settings import DeadChangeSettings, DeadFilterSettings, DeadListSettings, DeadSettings, DeadShowSettings

VERBS: dict[str, tuple[type[DeadSettings], str]] = {
    "list": (DeadListSettings, "list dead letters, oldest first"),
    "show": (DeadShowSettings, "show all of some dead letters: message, traceback, session"),
    "redrive": (DeadChangeSettings, "put dead letters back into their channel, for a worker to try again"),
    "drop": (DeadChangeSettings, "remove dead letters for good"),
}
_PAGE = 500
_SPAN = re.compile(r"(\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_HELP = "usage: trunkline dead list|show|redrive|drop [...]\n\n{}\n\n'trunkline dead VERB --help' tells all about one."


def main(argv: Sequence[str]) -> int:
    """Runs ``trunkline dead …``."""
    if not argv or argv[0] in ("-h", "--help"):
        print(_HELP.format("\n".join(f"  {name:8} {summary}" for name, (_, summary) in VERBS.items())))
        return ExitCode.OK if argv else ExitCode.USAGE
    if argv[0] not in VERBS:
        return refuse("dead", f"{argv[0]!r} is no verb; expected one of {', '.join(VERBS)}", ExitCode.USAGE)
    declared, summary = VERBS[argv[0]]
    settings = parse_or_exit(declared, argv[1:], f"trunkline dead {argv[0]}", summary)
    try:
        return asyncio.run(_run(argv[0], settings))
    except ConfigError as error:
        return refuse(f"dead {argv[0]}", error, ExitCode.USAGE)
    except LayerUnavailable as error:
        return refuse(f"dead {argv[0]}", error, ExitCode.NO_REDIS)


async def _run(verb: str, settings: DeadSettings) -> int:
    layer = RedisOperatorLayer(layer_settings(settings.run_dir, settings))
    try:
        if isinstance(settings, DeadListSettings):
            return await _list(layer, settings)
        if isinstance(settings, DeadShowSettings):
            return await _show(layer, settings)
        assert isinstance(settings, DeadChangeSettings)
        return await _change(layer, settings, redrive=verb == "redrive")
    finally:
        await layer.close()


async def _list(layer: OperatorLayer, settings: DeadListSettings) -> int:
    letters = []
    async for letter in _matching(layer, settings):
        letters.append(letter)
        if len(letters) == settings.limit:
            break
    if settings.as_json:
        print(json.dumps([_fields(letter) for letter in letters], indent=2, default=repr))
        return ExitCode.OK
    print(f"{'ID':20} {'TIME':19} {'REASON':12} {'CHANNEL':24} {'ATTEMPT':>7}  ROUTE: ERROR")
    for letter in letters:
        line = f"{letter.id:20} {_when(letter)} {letter.reason:12} {letter.channel:24} {letter.attempt:>7}  "
        # An error may quote a client, and this goes to a terminal.
        print(printable(line + f"{letter.route or '-'}: {letter.error.splitlines()[0] if letter.error else ''}"))
    return ExitCode.OK


async def _show(layer: OperatorLayer, settings: DeadShowSettings) -> int:
    code = ExitCode.OK
    shown = []
    for letter_id in settings.ids:
        letter = await layer.dead_letter(_checked(letter_id))
        if letter is None:
            code = _missing(letter_id)
        else:
            shown.append(_fields(letter) | {"traceback": letter.traceback})
    if settings.as_json:
        print(json.dumps(shown, indent=2, default=repr))
        return code
    for fields in shown:
        trace = fields.pop("traceback")
        print("\n".join(printable(f"{name:10} {value}") for name, value in fields.items()))
        print("\n".join(map(printable, trace.splitlines())))
    return code


async def _change(layer: OperatorLayer, settings: DeadChangeSettings, redrive: bool) -> int:
    verb = "redrive" if redrive else "drop"
    if bool(settings.ids) == settings.every:
        raise ConfigError(
            "expected ids as 'trunkline dead list' shows them, or --all (with filters, if you like)"
        )
    # All ids first: what is put back may fail again meanwhile, and would be met a second time.
    ids = (
        [letter.id async for letter in _matching(layer, settings)]
        if settings.every
        else [_checked(letter_id) for letter_id in settings.ids]
    )
    code = ExitCode.OK
    done = []
    for letter_id in ids:
        try:
            if await (layer.redrive(letter_id) if redrive else layer.drop(letter_id)):
                done.append(letter_id)
            else:
                code = _missing(letter_id)
        except CodecError as error:
            print(f"{letter_id} cannot be put back, it is no message: {error}", file=sys.stderr)
            code = ExitCode.FAILED
    if settings.as_json:
        print(json.dumps({verb: done}))
    else:
        print(f"{'put back' if redrive else 'dropped'}: {len(done)} of {len(ids)}")
    return code


async def _matching(layer: OperatorLayer, settings: DeadFilterSettings) -> AsyncIterator[DeadLetterRecord]:
    since_s = since(settings.since, time.time())
    after = ""
    while letters := await layer.dead_letters(after, _PAGE):
        for letter in letters:
            if matches(letter, settings, since_s):
                yield letter
        after = letters[-1].id


def matches(letter: DeadLetterRecord, settings: DeadFilterSettings, since_s: float) -> bool:
    """Whether the filters leave this letter."""
    return (
        settings.route in letter.route
        and settings.error in letter.error
        and settings.channel in ("", letter.channel)
        and letter.time_s >= since_s
    )


def since(text: str, now_s: float) -> float:
    """Reads ``--since``: a span (``30s``, ``15m``, ``2h``, ``7d``) before now, or a date in local time.

    Returns:
        Unix time; 0 for an empty text.

    Raises:
        ConfigError: it is neither.
    """
    if not text:
        return 0.0
    span = _SPAN.fullmatch(text)
    if span is not None:
        return now_s - int(span[1]) * _SECONDS[span[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise ConfigError(
            f"--since {text!r}: expected 30s, 15m, 2h, 7d, or a date such as 2026-01-31T12:00"
        ) from error


def _checked(letter_id: str) -> str:
    if not re.fullmatch(r"\d+-\d+", letter_id):
        raise ConfigError(
            f"id {letter_id!r}: expected one as 'trunkline dead list' shows them, such as 1767225600000-0"
        )
    return letter_id


def _missing(letter_id: str) -> ExitCode:
    print(f"{letter_id}: there is no such dead letter", file=sys.stderr)
    return ExitCode.FAILED


def _when(letter: DeadLetterRecord) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(letter.time_s))


def _fields(letter: DeadLetterRecord) -> dict[str, Any]:
    fields = letter._asdict() | {"time": _when(letter), "message": _message(letter)}
    for name in ("body", "traceback", "time_s"):
        del fields[name]
    return fields | {"session": letter.session.hex()}


def _message(letter: DeadLetterRecord) -> Any:
    try:
        entry = decode_entry(letter.channel, letter.body)
    except CodecError as error:
        return {"garbage": letter.body.hex(), "expected": error.expected}
    return {"reply_channel": entry.reply, "path": entry.path, "seq": entry.seq, "events": entry.events}

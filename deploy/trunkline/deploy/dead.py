"""``trunkline dead``: dead letters listed, shown, put back into their channel, dropped."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from trunkline.protocol.errors import ConfigError, LayerUnavailable
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.layer import OperatorLayer
from trunkline.protocol.messages import DeadLetterRecord
from trunkline.protocol.redis_layer import shards
from trunkline.protocol.settings import parse_or_exit
from trunkline.protocol.sharding import ShardedOperatorLayer
from trunkline.protocol.sharding.asking import said

from .dead_changes import TEXTS, Changes, Result
from .dead_fields import SCHEMA, counted, fields, lines, local, safe, utc
from .dead_filter import DeadFilter, checked_id
from .failures import refuse
from .running import layer_settings
from .settings import (
    DeadDropSettings,
    DeadListSettings,
    DeadRedriveSettings,
    DeadSettings,
    DeadShowSettings,
)

VERBS: dict[str, tuple[type[DeadSettings], str]] = {
    "list": (DeadListSettings, "list dead letters, oldest first, or count them"),
    "show": (DeadShowSettings, "show all of some dead letters: message, traceback, session"),
    "redrive": (DeadRedriveSettings, "put dead letters back into their channel, for a worker to try again"),
    "drop": (DeadDropSettings, "remove dead letters for good"),
}
_PAGE = 100
"""Letters read at a time: one may hold a message of a megabyte and a traceback."""
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
        return asyncio.run(_run(settings))
    except ConfigError as error:
        return refuse(f"dead {argv[0]}", error, ExitCode.USAGE)
    except LayerUnavailable as error:
        return refuse(f"dead {argv[0]}", error, ExitCode.NO_REDIS)


async def _run(settings: DeadSettings) -> int:
    layer = shards.operator_layer(layer_settings(settings.run_dir, settings))
    try:
        if isinstance(settings, DeadListSettings):
            away = await _leave_out_what_is_away(layer)
            code = await (_count if settings.summary else _list)(layer, settings)
            return (
                refuse("dead list", f"letters are missing here: {said(away)}", ExitCode.NO_REDIS)
                if away
                else code
            )
        if isinstance(settings, DeadShowSettings):
            return await _show(layer, settings)
        assert isinstance(settings, DeadDropSettings)
        return await _change(layer, settings)
    finally:
        await layer.close()


# ---- to look at ----


async def _leave_out_what_is_away(layer: OperatorLayer) -> Mapping[int, str]:
    """The shards that do not answer, which are listed no more. What is put back or dropped is another matter: there
    "all" must be all, or the letters that are named."""
    if not isinstance(layer, ShardedOperatorLayer):
        return {}
    away = (await layer.stats()).away
    layer.leave_out(away)
    return away


async def _list(layer: OperatorLayer, settings: DeadListSettings) -> int:
    wanted = DeadFilter.of(settings, time.time())
    letters: list[DeadLetterRecord] = []
    more = ""
    async for letter in _matching(layer, wanted, settings.after):
        if len(letters) == settings.limit:
            more = letters[-1].id
            break
        letters.append(letter)
    kept, trimmed = await _kept(layer)
    if settings.as_json:
        page = {"letters": [fields(letter) for letter in letters], "next": more or None}
        _print_json(page | {"kept": kept, "trimmed": trimmed})
        return ExitCode.OK
    print(f"{'ID':20} {'TIME':19} {'REASON':13} {'CHANNEL':24} {'DELIVERIES':>10}  ROUTE: ERROR")
    for letter in letters:
        error = letter.error.splitlines()[0] if letter.error else ""
        what = f"{letter.route or '-'}: {error}"
        print(
            f"{letter.id:20} {local(letter.time_s)} {letter.reason:13} {safe(letter.channel) or '-':24} "
            f"{letter.attempt:>10}  {safe(what)}"
        )
    if more:
        print(f"there are more: --after {more} shows the next")
    print(_kept_text(kept, trimmed))
    return ExitCode.OK


async def _count(layer: OperatorLayer, settings: DeadListSettings) -> int:
    wanted = DeadFilter.of(settings, time.time())
    seen = [
        (letter.reason, letter.route, letter.channel, letter.time_s)
        async for letter in _matching(layer, wanted, settings.after)
    ]
    groups = counted(seen)
    kept, trimmed = await _kept(layer)
    if settings.as_json:
        told = [
            {name: value for name, value in group.items() if not name.endswith("_s")}
            | {"oldest": utc(group["oldest_s"]), "newest": utc(group["newest_s"])}
            for group in groups
        ]
        _print_json({"summary": told, "matching": len(seen), "kept": kept, "trimmed": trimmed})
        return ExitCode.OK
    print(f"{'LETTERS':>7}  {'REASON':13} {'OLDEST':19} {'NEWEST':19} {'CHANNEL':24} ROUTE")
    for group in groups:
        print(
            f"{group['letters']:>7}  {group['reason']:13} {local(group['oldest_s'])} {local(group['newest_s'])} "
            f"{safe(group['channel']) or '-':24} {safe(group['route']) or '-'}"
        )
    if seen:
        times = [time_s for *_, time_s in seen]
        print(f"{len(seen):>7}  {'in all':13} {local(min(times))} {local(max(times))}")
    print(_kept_text(kept, trimmed))
    return ExitCode.OK


async def _show(layer: OperatorLayer, settings: DeadShowSettings) -> int:
    letters = [letter async for letter in _named(layer, settings.ids, _say_missing)]
    if settings.as_json:
        _print_json({"letters": [fields(letter) for letter in letters]})
    else:
        print("\n\n".join("\n".join(lines(letter)) for letter in letters))
    return ExitCode.OK if len(letters) == len(set(settings.ids)) else ExitCode.FAILED


# ---- to change ----


async def _change(layer: OperatorLayer, settings: DeadDropSettings) -> int:
    wanted = DeadFilter.of(settings, time.time())
    if bool(settings.ids) == settings.every or (settings.ids and wanted.given):
        raise ConfigError(
            "expected ids as 'trunkline dead list' shows them, or --all, which filters may narrow"
        )
    ids = [checked_id(letter_id) for letter_id in dict.fromkeys(settings.ids)]
    changes = Changes(layer, lambda result: None if settings.as_json else _say(result))
    ended = False
    try:
        if isinstance(settings, DeadRedriveSettings):
            letters = (
                _matching(layer, wanted)
                if settings.every
                else _named(layer, ids, lambda letter_id: changes.tell(letter_id, "missing"))
            )
            await changes.redrive(letters, settings.wait_s)
        else:
            # All ids first: a page is found by the last id of the one before.
            await changes.drop(ids or [letter.id async for letter in _matching(layer, wanted)])
        ended = True
    finally:
        # Also when Redis goes away in the middle, and after Ctrl-C.
        if changes.under_way:
            changes.tell(changes.under_way, "unknown")
        _sum_up(changes.results, settings, ended)
    return ExitCode.OK if all(result.done for result in changes.results) else ExitCode.FAILED


def _say(result: Result) -> None:
    stream = sys.stdout if result.done else sys.stderr
    print(f"{result.id}: {TEXTS[result.outcome]}", file=stream, flush=True)


def _sum_up(results: Sequence[Result], settings: DeadDropSettings, ended: bool) -> None:
    redrive = isinstance(settings, DeadRedriveSettings)
    done = sum(1 for result in results if result.done)
    if settings.as_json:
        told = [
            {
                "id": result.id,
                "outcome": result.outcome.removesuffix("_gone"),
                "connection_gone": result.outcome.endswith("_gone"),
            }
            for result in results
        ]
        _print_json({"verb": "redrive" if redrive else "drop", "results": told, "done": done, "ended": ended})
        return
    rest = "" if ended else "; it was interrupted, and all letters that are not named above are still there"
    print(f"{'put back' if redrive else 'dropped'}: {done} of {len(results)}{rest}")


# ---- both ----


async def _matching(
    layer: OperatorLayer, wanted: DeadFilter, after: str = ""
) -> AsyncIterator[DeadLetterRecord]:
    last = checked_id(after) if after else ""
    while letters := await layer.dead_letters(last, _PAGE):
        for letter in letters:
            if wanted.matches(letter):
                yield letter
        last = letters[-1].id


async def _named(layer: OperatorLayer, ids: Sequence[str], missing: Any) -> AsyncIterator[DeadLetterRecord]:
    for letter_id in dict.fromkeys(ids):
        letter = await layer.dead_letter(checked_id(letter_id))
        if letter is None:
            missing(letter_id)
        else:
            yield letter


def _say_missing(letter_id: str) -> None:
    _say(Result(letter_id, "missing"))


async def _kept(layer: OperatorLayer) -> tuple[int, int]:
    stats = await layer.stats()
    return stats.dead_letters, stats.dead_trimmed


def _kept_text(kept: int, trimmed: int) -> str:
    lost = f"; {trimmed} older ones made room for newer, see --dead-capacity" if trimmed else ""
    return f"dead letters kept: {kept}{lost}"


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps({"schema": SCHEMA} | value, indent=2))

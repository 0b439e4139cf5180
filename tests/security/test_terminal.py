"""What a client sends cannot drive the terminal of who reads a log or a dead letter."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from tests.support.commands import command
from trunkline.protocol.codec import encode_dead_letter, encode_entry
from trunkline.protocol.messages import DeadLetterRecord, Entry
from trunkline.protocol.names import ChannelName, Keys
from trunkline.protocol.process import logs
from trunkline.protocol.process.logs import printable
from trunkline.protocol.settings import LayerSettings

# Sets the window's title, clears the screen, goes back over what stands there, begins a line.
ATTACK = "\x1b]0;owned\x07\x1b[2J\x9b2J\x08\x08\r2026-01-01T00:00:00.000 INFO worker all is well"
FORBIDDEN = "\x1b\x07\x08\r\x9b"


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_a_traceback_in_a_log_shows_control_characters_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("info", "worker w1")
    try:
        raise ValueError(ATTACK + "\nsecond")
    except ValueError:
        logging.getLogger("chat").exception("handler failed text=%s", ATTACK)

    text = capsys.readouterr().err
    assert not set(text) & set(FORBIDDEN)
    assert "\\x1b]0;owned\\x07" in text
    assert all(line.startswith("    ") for line in text.splitlines()[1:])


def test_a_tab_stays_and_every_other_control_character_goes() -> None:
    assert printable("a\tb") == "a\tb"
    shown = printable("".join(map(chr, range(0x110000))))
    assert shown.isprintable() or not {c for c in shown if (c < " " and c != "\t") or "\x7f" <= c <= "\x9f"}


def test_a_dead_letter_is_shown_with_escapes(layer_settings: LayerSettings, tmp_path: Path) -> None:
    entry = Entry(ChannelName("work"), None, None, 0, [{"text": ATTACK}])
    fields = dict.fromkeys(DeadLetterRecord._fields, "")
    typed = {
        "reason": "error", "channel": "work", "body": encode_entry(entry), "error": f"ValueError: {ATTACK}",
        "traceback": f"Traceback\n  {ATTACK}\n", "attempt": 1, "session": b"", "time_s": time.time(),
    }  # fmt: skip
    known = {name: value for name, value in {**fields, **typed}.items() if name in DeadLetterRecord._fields}
    defaults = DeadLetterRecord._field_defaults
    letter = DeadLetterRecord(
        **{**known, **{name: value for name, value in defaults.items() if name not in typed}}
    )
    with closing(redis.Redis.from_url(layer_settings.redis_url)) as client:
        added = client.xadd(Keys(layer_settings.prefix).dead(), {"b": encode_dead_letter(letter)})
    letter_id = added.decode() if isinstance(added, bytes) else str(added)
    environ = {"TRUNKLINE_REDIS_URL": layer_settings.redis_url, "TRUNKLINE_PREFIX": layer_settings.prefix}

    for arguments in (["list"], ["show", letter_id]):
        done = command("dead", *arguments, cwd=tmp_path, environ=environ)
        assert done.code == 0, done.printed
        assert "owned" in done.out
        assert not set(done.out) & set(FORBIDDEN)

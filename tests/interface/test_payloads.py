"""Maps that are sent to WebSockets."""

from __future__ import annotations

from typing import Any

import pytest

from trunkline.interface.payloads import Said, read_map


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({"text": "a", "bytes": b"b"}, Said(["a", b"b"], None, 0)),
        ({"text": "last", "close": 4002, "reason": "enough"}, Said(["last"], (4002, "enough"), 0)),
        ({"close": True}, Said([], (1000, ""), 0)),
        ({"close": False}, Said([], None, 0)),
        ({"accept": True}, Said([], None, 0)),
        ({"close": 1006}, Said([], (1011, ""), 1)),
        ({"close": 1000, "reason": 5}, Said([], (1011, ""), 1)),
        ({"text": b"bytes"}, Said([], None, 1)),
        ({"status": 200}, Said([], None, 1)),
    ],
)
def test_a_map_says_what_to_write_and_how_to_close(payload: dict[str, Any], said: Said) -> None:
    assert read_map(payload) == said

"""Releases of one text: the same bytes as any other release."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trunkline.protocol.errors import MessageError
from trunkline.protocol.messages import LAST_SEQ
from trunkline.protocol.names import ConnectionId
from trunkline.protocol.operations import encode_release, encode_text_release
from trunkline.protocol.text_entry import KEPT, SHORT


@given(st.text(max_size=40), st.integers(0, LAST_SEQ), st.text(max_size=SHORT + 20))
@example("c" * 31, KEPT - 1, "x" * (SHORT - 1))
@example("c" * 32, KEPT, "x" * SHORT)
@example("é" * 15, 0, "é" * (SHORT // 2))
@example("é" * 16, 1, "é" * (SHORT // 2 - 1))
@example("", 0, "")
@example("c", 7, "x" * 70_000)
def test_they_are_what_any_release_is(connection: str, seq: int, text: str) -> None:
    one = ConnectionId(connection)

    assert encode_text_release(one, seq, text) == encode_release(one, seq, [text])


@pytest.mark.parametrize("length", [0, SHORT, 1000])
def test_a_text_that_is_no_unicode_is_refused(length: int) -> None:
    with pytest.raises(MessageError, match="surrogate"):
        encode_text_release(ConnectionId("c"), 1, "x" * length + "\ud800")

"""Entries of one short text: the same bytes that the codec makes."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from trunkline.protocol.codec import encode_entry
from trunkline.protocol.messages import LAST_SEQ, Entry
from trunkline.protocol.names import RECEIVE, ReplyName
from trunkline.protocol.text_entry import KEPT, SHORT, entry_start, text_entry

SHORT_TEXTS = st.text(max_size=SHORT - 1).filter(lambda text: len(text.encode()) < SHORT)


@given(SHORT_TEXTS, st.integers(0, LAST_SEQ), st.text(max_size=50), st.text(max_size=300))
@example("x" * 31, KEPT - 1, "reply", "/path")
@example("x" * 32, KEPT, "reply", "/path")
@example("x" * (SHORT - 1), 0, "reply", "")
@example("", 1, "", "")
def test_they_are_what_the_codec_makes(text: str, seq: int, reply: str, path: str) -> None:
    entry = Entry(RECEIVE, ReplyName(reply), path, seq, [text])
    for form in (bytes, bytearray):
        assert text_entry(entry_start(reply, path), seq, form(text.encode())) == encode_entry(entry)

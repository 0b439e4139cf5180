from __future__ import annotations

from typing import Any

import pytest

from trunkline.protocol.codec import MAX_BODY_BYTES
from trunkline.protocol.errors import MessageError
from trunkline.worker.content_values import (
    CLOSE_CODES,
    bounded,
    close_code,
    close_reason,
    frame_data,
    header_pairs,
    shown,
    status,
    subprotocol,
)


@pytest.mark.parametrize("code", [True, 3000, 4999, *sorted(CLOSE_CODES)])
def test_the_close_codes_a_server_may_send_pass(code: int) -> None:
    assert close_code(code) == code


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1010, 1015, 2999, 5000, -1, "1000", 1000.0])
def test_other_close_codes_are_refused(code: object) -> None:
    with pytest.raises(MessageError, match="'close'"):
        close_code(code)


def test_a_reason_fits_into_a_control_frame() -> None:
    assert close_reason("é" * 61) == "é" * 61
    for wrong in ("é" * 62, b"bye"):
        with pytest.raises(MessageError, match="at most 123 bytes"):
            close_reason(wrong)


@pytest.mark.parametrize("value", ["", "two words", "a,b", "grüß", b"chat", 3])
def test_a_subprotocol_is_a_token(value: object) -> None:
    with pytest.raises(MessageError, match="'subprotocol'"):
        subprotocol(value)


@pytest.mark.parametrize(
    "value", ["a\r\nSet-Cookie: x=y", "a\nb", "a\rb", "a\x00b", "\x7f", b"a\r\n", 3, "\ud800"]
)
def test_a_header_value_cannot_split_the_response(value: Any) -> None:
    with pytest.raises(MessageError, match="'headers'"):
        header_pairs([("x-name", value)])


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\n", "naïve", 3])
def test_a_header_name_is_a_token(name: Any) -> None:
    with pytest.raises(MessageError, match="'headers'"):
        header_pairs([(name, "value")])


@pytest.mark.parametrize("headers", ["x", [("a",)], ["ab"], [("a", "b", "c")], 3])
def test_headers_are_pairs(headers: object) -> None:
    with pytest.raises(MessageError, match="pairs"):
        header_pairs(headers)


def test_headers_may_be_a_dict_or_pairs_of_either_kind() -> None:
    assert header_pairs({"A": "b"}) == [["A", "b"]]
    assert header_pairs(((b"A", b"\xe9\t"), ["B", ""])) == [["A", "é\t"], ["B", ""]]


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"text": b"x"}, "expected str"),
        ({"text": 3}, "json.dumps"),
        ({"bytes": "x"}, "str goes under 'text'"),
    ],
)
def test_frame_data_of_a_wrong_type_is_refused(given: dict[str, Any], word: str) -> None:
    with pytest.raises(MessageError, match=word):
        frame_data(given)


def test_nothing_is_larger_than_the_codec_takes() -> None:
    assert bounded(b"x", "text") == b"x"
    with pytest.raises(MessageError, match=f"{MAX_BODY_BYTES + 1} bytes"):
        frame_data({"text": "x" * (MAX_BODY_BYTES + 1)})


def test_a_status_below_its_least_is_refused() -> None:
    assert status(400, 400) == 400
    with pytest.raises(MessageError, match="from 400 to 599"):
        status(399, 400)


def test_a_long_value_is_cut_in_an_error() -> None:
    assert shown("x" * 100) == "'" + "x" * 78 + "…"

"""Header fields that an application sends."""

from __future__ import annotations

import pytest

from trunkline.interface.headers import RESPONSE_OWNS, UPGRADE_OWNS, clean_headers


def test_good_headers_of_an_application_pass() -> None:
    good, faults = clean_headers([["Set-Cookie", "a=1"], (b"X-B", b"\xfc"), ["X-C", " c "]], UPGRADE_OWNS)

    assert good == [("Set-Cookie", "a=1"), ("X-B", "ü"), ("X-C", "c")]
    assert faults == []
    assert clean_headers(None, UPGRADE_OWNS) == ([], [])


@pytest.mark.parametrize(
    "item",
    [
        ["X-A", "b\r\nX-Evil: 1"],
        ["X-A\r\nX-Evil", "1"],
        ["X-A", "b\x00"],
        ["X-A", "b\n"],
        ["", "b"],
        ["X A", "b"],
        ["Upgrade", "h2c"],
        ["sec-websocket-accept", "x"],
        ["X-A"],
        ["X-A", 1],
        "X-A: b",
        7,
    ],
)
def test_headers_that_could_split_or_forge_a_response_are_left_out(item: object) -> None:
    good, faults = clean_headers([item, ["X-Good", "1"]], UPGRADE_OWNS)

    assert good == [("X-Good", "1")]
    assert len(faults) == 1


def test_headers_that_are_no_list_are_left_out() -> None:
    assert clean_headers({"X-A": "b"}, RESPONSE_OWNS)[0] == []
    assert clean_headers([["Content-Length", "1"]], RESPONSE_OWNS)[0] == []

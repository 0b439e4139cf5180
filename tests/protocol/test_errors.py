"""The error tree: one root, control flow apart, bytes carried, the drawing true."""

from __future__ import annotations

import inspect

import pytest

from trunkline.protocol import errors
from trunkline.protocol.errors import CodecError, ControlFlow, DenyConnection, TrunklineError


def error_classes() -> list[type[BaseException]]:
    return [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__ == errors.__name__
    ]


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.__name__)
def test_every_error_has_one_of_the_two_roots_and_stands_in_the_drawing(kind: type[BaseException]) -> None:
    assert issubclass(kind, TrunklineError) != issubclass(kind, ControlFlow)
    drawn = [line.split()[-1] if "──" not in line else line.split("── ")[1].split()[0] for line in drawing()]
    assert kind.__name__ in drawn


def drawing() -> list[str]:
    return [line for line in (errors.__doc__ or "").splitlines() if "──" in line] + [
        "TrunklineError",
        "ControlFlow",
    ]


def test_control_flow_is_never_caught_as_an_error_of_trunkline() -> None:
    assert not issubclass(ControlFlow, TrunklineError) and issubclass(DenyConnection, ControlFlow)


def test_a_codec_error_carries_all_bytes_and_shows_the_first() -> None:
    raw = bytes(range(200))
    error = CodecError("an entry", raw)
    assert error.raw == raw and error.expected == "an entry"
    assert str(error) == f"expected an entry, got 200 bytes: {raw[:48].hex()}…"


def test_a_codec_error_of_few_bytes_shows_them_all() -> None:
    assert str(CodecError("a lease", b"\x01\xff")) == "expected a lease, got 2 bytes: 01ff"


@pytest.mark.parametrize("status", [400, 403, 599])
def test_a_handshake_may_be_refused_with_any_error_status(status: int) -> None:
    assert DenyConnection(status).status == status


@pytest.mark.parametrize("status", [0, 200, 399, 600])
def test_a_handshake_is_not_refused_with_a_status_that_is_no_error(status: int) -> None:
    with pytest.raises(ValueError, match=str(status)):
        DenyConnection(status)

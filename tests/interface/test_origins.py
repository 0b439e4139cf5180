"""Which pages may open a WebSocket."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from trunkline.interface.origins import Origins


def allows(origins: Origins, origin: str | None, host: str = "a.example") -> bool:
    fields = CIMultiDict({"Host": host})
    if origin is not None:
        fields["Origin"] = origin
    return origins.refuse(fields) is None


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("https://a.example", "a.example", True),
        ("http://A.example", "a.EXAMPLE", True),
        ("http://a.example:8000", "a.example:8000", True),
        ("https://a.example", "a.example:443", True),
        ("http://a.example:80", "a.example", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://b.example", "a.example", False),
        ("http://a.example.evil.example", "a.example", False),
        ("http://a.example:8001", "a.example:8000", False),
        ("https://a.example", "a.example:80", False),
        ("null", "a.example", False),
        ("http://", "a.example", False),
        ("http://a.example/path", "a.example", False),
        ("http://a.example:port", "a.example", False),
        ("http://user@a.example", "a.example", False),
        ("http://a.example", "", False),
    ],
)
def test_only_the_own_host_may_open_a_websocket_by_default(origin: str, host: str, allowed: bool) -> None:
    assert allows(Origins([], False), origin, host) is allowed


def test_more_origins_can_be_allowed() -> None:
    origins = Origins(["https://b.example", "null"], False)

    assert allows(origins, "https://b.example")
    assert allows(origins, "https://B.example:443")
    assert allows(origins, "null")
    assert not allows(origins, "http://b.example")
    assert allows(Origins(["*"], False), "http://anybody.example")


def test_a_client_without_an_origin_is_no_browser_and_passes_unless_it_must_have_one() -> None:
    assert allows(Origins([], False), None)
    assert not allows(Origins(["*"], True), None)


def test_two_origins_are_none() -> None:
    fields = CIMultiDict([("Host", "a"), ("Origin", "http://a"), ("Origin", "http://a")])
    assert Origins(["*"], False).refuse(fields) is not None

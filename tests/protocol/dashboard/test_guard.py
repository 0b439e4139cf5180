"""Who may see the dashboard: a browser that was pointed at it, not a page that such a browser has open."""

from __future__ import annotations

import pytest

from trunkline.protocol.dashboard.guard import HEADERS, hostname, refusal

NAMES = frozenset({"web-1"})
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("127.0.0.1:9000", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]:9000", "::1"),
        ("[::1]", "::1"),
        ("LocalHost.:80", "localhost"),
        ("", ""),
    ],
)
def test_a_name_is_read_without_port_brackets_and_case(host: str, name: str) -> None:
    assert hostname(host) == name


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:9000", "10.1.2.3", "[::1]:9000", "[fe80::1]", "localhost:9000", "a.localhost", "WEB-1:9000"],
)
def test_addresses_and_our_own_names_are_let_in(host: str) -> None:
    assert refusal({"Host": host}, NAMES, document=False) is None
    assert refusal({"Host": host, "Sec-Fetch-Site": "same-origin"}, NAMES, document=False) is None
    assert refusal({"Host": host, "Sec-Fetch-Site": "none"}, NAMES, document=True) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example:9000",
        "localhost.evil.example",
        "notlocalhost",
        "web-1.evil.example",
        "web-2",
        "1.2.3.4@evil.example",
        "[evil.example]:80",
        "",
    ],
)
@pytest.mark.parametrize("document", [True, False])
def test_a_name_that_others_may_have_made_is_refused_with_what_to_do(host: str, document: bool) -> None:
    reason = refusal({"Host": host, **NAVIGATION}, NAMES, document=document)

    assert reason is not None and "localhost" in reason and repr(hostname(host)) in reason


def test_a_request_without_host_is_refused() -> None:
    assert refusal({}, NAMES, document=True) is not None


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_another_sites_page_gets_nothing(site: str) -> None:
    headers = {"Host": "127.0.0.1", "Sec-Fetch-Site": site}

    assert refusal(headers, NAMES, document=False) is not None
    # not even by a frame or an object, whose navigations say what they are for
    for dest in ("iframe", "object", "embed"):
        framed = {**headers, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": dest}
        assert refusal(framed, NAMES, document=True) is not None
    # and a link's navigation shows the page itself only
    assert refusal({**headers, **NAVIGATION}, NAMES, document=False) is not None
    assert refusal({**headers, **NAVIGATION}, NAMES, document=True) is None


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://127.0.0.1:9000", True),
        ("https://127.0.0.1:9000", True),
        ("http://127.0.0.1:3000", False),
        ("http://evil.example", False),
        ("null", False),
    ],
)
def test_an_old_browser_that_only_tells_the_origin_is_judged_by_it(origin: str, allowed: bool) -> None:
    reason = refusal({"Host": "127.0.0.1:9000", "Origin": origin}, NAMES, document=False)

    assert (reason is None) == allowed


def test_every_answer_forbids_frames_inline_scripts_and_others() -> None:
    policy = dict(part.strip().split(" ", 1) for part in HEADERS["Content-Security-Policy"].split(";"))

    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'" and policy["trusted-types"] == "'none'"
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
    assert HEADERS["X-Frame-Options"] == "DENY"

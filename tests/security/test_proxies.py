"""What a client writes into forwarding headers costs no more than its length."""

from __future__ import annotations

import time

import pytest
from multidict import CIMultiDict

from trunkline.interface.proxies import Client, TrustedProxies

# Four fields as long as aiohttp takes them. Searched by a regular expression, these letters took two seconds, in which
# an interface server does nothing else.
FIELDS, FIELD_BYTES = 4, 8000
LIMIT_S = 0.1
TIMES = 5
"""The quickest counts: the garbage collector may run in any."""


@pytest.mark.parametrize(
    "value", ["a", " ", "for=", "for=;", 'for="\\', '"', "for=1.2.3.4,", "=", ";", ",", "[", ":"]
)
@pytest.mark.parametrize("name", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Proto"])
def test_no_forwarding_header_takes_long_to_read(name: str, value: str) -> None:
    proxies = TrustedProxies(["10.0.0.0/8"])
    text = (value * FIELD_BYTES)[:FIELD_BYTES]
    seconds = []
    for _ in range(TIMES):
        began_s = time.thread_time()
        client = proxies.client("10.0.0.1", 1, "http", CIMultiDict([(name, text)] * FIELDS))
        seconds.append(time.thread_time() - began_s)
        assert isinstance(client, Client)

    assert min(seconds) < LIMIT_S

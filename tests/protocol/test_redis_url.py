"""A Redis URL: what is one, and that no text about it tells its password."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.protocol.redis_layout import BySlot, Direct
from trunkline.protocol.redis_parts import Address
from trunkline.protocol.redis_url import check_redis_url, places_of, user_of, without_secrets

SECRET = "s3cr/e?t#@p[w%"


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://:6379/0",
        "redis://127.0.0.1:6379/0",
        "rediss://user:pass@[::1]:6380/1?ssl_ca_certs=/etc/ca.pem",
        f"redis://user:{quote(SECRET, safe='')}@host:6379",
        "redis://host?password=p%40ss",
        "unix:///run/redis.sock?db=1",
        "unix://:pass@/run/a@b.sock",
    ],
)
def test_a_url_of_redis_is_taken_as_it_is(url: str) -> None:
    assert check_redis_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://:s3cret@localhost",
        "redis://",
        "redis://:s3cr/et@host:6379/0",
        "redis://:12/et@host:6379",
        "redis://:s3cr?et@host",
        "redis://:12?et@host",
        "redis://:s3cr#et@host",
        "redis://:12#et@host",
        "redis://user:[@host",
        "redis://host:99999",
        "redis://host:0",
    ],
)
def test_what_is_no_url_or_hides_its_host_in_the_password_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="expected") as refused:
        check_redis_url(url)

    assert "et@host" not in str(refused.value)
    assert "s3cr" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:secret@host:6379/0", "redis://***@host:6379/0"),
        ("redis://:p@ss@host:6379/0", "redis://***@host:6379/0"),
        ("redis://:pa/ss@host/0", "redis://***@host/0"),
        ("redis://:pa?ss@host/0", "redis://***"),
        ("redis://:se://cret@host", "redis://***@host"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://host/0?password=secret&db=2", "redis://host/0?password=***&db=2"),
        ("redis://host/0?password=s@cret", "redis://***"),
        ("redis://host/0?password=se&cr=et&db=2", "redis://host/0?password=***&***&db=2"),
        (
            "rediss://host?ssl_ca_certs=/ca.pem&pasword=x&secret",
            "rediss://host?ssl_ca_certs=/ca.pem&***&***",
        ),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("redis://u:secret@a:1/0,redis://:secret@b:2", "redis://***@a:1/0,redis://***@b:2"),
        ("redis://u:secret@a:1/0,redis://:sec/ret@b:2", "redis://***@b:2"),
        ("redis://a:1?password=secret,redis://:secret@b:2", "redis://a:1?password=***,redis://***@b:2"),
        (
            "redis+sentinel://u:secret@a,b:2/main/1?sentinel_username=u&sentinel_password=secret",
            "redis+sentinel://***@a,b:2/main/1?sentinel_username=***&sentinel_password=***",
        ),
        ("rediss+cluster://u:secret@a,b?ssl_password=secret", "rediss+cluster://***@a,b?ssl_password=***"),
        ("user:secret@host", "***@host"),
        ("", ""),
    ],
)
def test_a_url_is_shown_without_what_may_be_a_secret(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


@given(
    password=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20),
    escaped=st.booleans(),
)
def test_no_part_of_a_password_is_ever_shown(password: str, escaped: bool) -> None:
    written = quote(password, safe="") if escaped else password
    marked = f"<{written}>"

    for url in (
        f"redis://u:{marked}@host:6379/0",
        f"redis://host/0?password={marked}&db=1",
        f"redis://:{marked}@host,redis://u:{marked}@other",
        f"redis+sentinel://u:{marked}@a,b/main?sentinel_password={marked}",
        f"redis+cluster://u:{marked}@a,b",
    ):
        shown = without_secrets(url)
        assert marked[0] not in shown and marked[-1] not in shown


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        (",".join(f"redis://h{number}" for number in range(65)), "expected at most 64 URLs"),
        ("redis://a,redis://b,redis://a", "expected each URL once"),
    ],
)
def test_what_is_understood_and_cannot_be_served_is_told(urls: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_redis_url(urls)


def test_each_url_is_the_place_of_a_shard() -> None:
    assert places_of("redis://a, redis://b") == (Direct("redis://a"), Direct("redis://b"))


def test_a_cluster_has_as_many_shards_as_are_asked_for_each_in_its_slot() -> None:
    places = places_of("redis+cluster://a,b", 3)
    assert [place.slot for place in places if isinstance(place, BySlot)] == [13907, 9842, 5649]
    assert len(places_of("redis+cluster://a")) == 4
    assert {place.url for place in places} == {"redis+cluster://a,b"}
    assert all(isinstance(place, BySlot) and place.at(Address("c", 7)) == "redis://c:7/0" for place in places)


def test_of_urls_there_are_as_many_as_shards() -> None:
    assert len(places_of("redis://a,redis://b", 2)) == 2
    with pytest.raises(ValueError, match="expected 3 URLs, as many as --shards says, got 2"):
        places_of("redis://a,redis://b", 3)


def test_the_user_of_a_url_is_told() -> None:
    assert user_of("redis://trunk%20line:secret@host") == "trunk line"
    assert user_of("redis://:secret@host") == "default"
    assert user_of("redis+sentinel://app:secret@a:1,b:2/main") == "app"
    assert user_of("redis://user:[@host") == "default"

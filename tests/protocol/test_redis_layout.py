"""What a Redis URL says: one Redis, one by Sentinel, several, a cluster; and what is wrong with what says nothing."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from trunkline.protocol.redis_layout import BySentinel, Direct, OfCluster, Place, layout_of
from trunkline.protocol.redis_parts import SCHEMES, Address, take_apart

SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=20)
HOSTS = st.one_of(
    st.from_regex(r"[a-z][a-z0-9-]{0,10}(\.[a-z]{1,5})?", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
)
ADDRESSES = st.builds(Address, HOSTS, st.integers(1, 65535))


def by_sentinel(text: str) -> BySentinel:
    (place,) = places_of(text)
    assert isinstance(place, BySentinel)
    return place


def cluster(text: str) -> OfCluster:
    found = layout_of(text)
    assert isinstance(found, OfCluster)
    return found


def places_of(text: str) -> tuple[Place, ...]:
    found = layout_of(text)
    assert isinstance(found, tuple)
    return found


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://:6379/0",
        "rediss://user:pass@[::1]:6380/1?ssl_ca_certs=/etc/ca.pem&ssl_check_hostname=true",
        "redis://:a,b@host",
        "redis://host?password=p%40ss",
        "unix:///run/redis.sock?db=1",
        "unix://:pass@/run/a@b.sock",
    ],
)
def test_one_redis_stays_the_url_that_it_was(url: str) -> None:
    assert layout_of(url) == (Direct(url),)


def test_a_socket_may_be_called_redis_too() -> None:
    assert layout_of("redis+unix://u:p@/run/redis.sock?db=2") == (Direct("unix://u:p@/run/redis.sock?db=2"),)


def test_several_redises_are_several_places_in_their_order() -> None:
    text = " redis://a:1/0, unix:///b.sock ,redis+sentinel://c,d/e "
    first, second, third = places_of(text)
    assert (first, second) == (Direct("redis://a:1/0"), Direct("unix:///b.sock"))
    assert isinstance(third, BySentinel)
    assert third.service == "e"


def test_sentinels_are_told_apart_from_the_redis_whose_address_they_know() -> None:
    place = by_sentinel(
        "rediss+sentinel://app:p%40ss@s1:26380,[::1],10.0.0.3/mymaster/2"
        "?sentinel_username=watch&sentinel_password=p%2Fw&ssl_ca_certs=/ca.pem"
    )

    assert place.service == "mymaster"
    assert place.sentinels == (Address("s1", 26380), Address("::1", 26379), Address("10.0.0.3", 26379))
    asked = "rediss://watch:p%2Fw@[::1]:26379/0?ssl_ca_certs=/ca.pem"
    assert place.sentinel(place.sentinels[1]) == asked
    told = place.at(Address("10.0.0.9", 7001))
    assert told == "rediss://app:p%40ss@10.0.0.9:7001/2?ssl_ca_certs=/ca.pem"


def test_without_passwords_and_tls_nothing_is_added() -> None:
    place = by_sentinel("redis+sentinel://s1/cache")
    assert place.sentinel(place.sentinels[0]) == "redis://s1:26379/0"
    assert place.at(Address("h", 1)) == "redis://h:1/0"


def test_a_user_in_the_parameters_is_the_redis_own() -> None:
    place = by_sentinel("redis+sentinel://s1/cache?username=u&password=p")
    assert place.at(Address("h", 1)) == "redis://h:1/0?username=u&password=p"
    assert place.sentinel(Address("s1", 1)) == "redis://s1:1/0"


def test_a_cluster_has_nodes_and_one_user_for_all() -> None:
    found = cluster("rediss+cluster://u:p@a:7000,b/?ssl_ca_certs=/ca.pem")
    assert found.nodes == (Address("a", 7000), Address("b", 6379))
    assert found.at(Address("::2", 7001)) == "rediss://u:p@[::2]:7001/0?ssl_ca_certs=/ca.pem"


def test_no_secret_shows_when_a_layout_is_printed() -> None:
    text = "redis://u:s3cret@h,redis+sentinel://u:s3cret@h/s?sentinel_password=s3cret"
    shown = repr(
        (layout_of(text), cluster("redis+cluster://u:s3cret@h"), take_apart("redis://h?password=s3cret"))
    )
    assert "s3cret" not in shown


def test_places_can_be_told_apart_and_kept_in_sets() -> None:
    one, other = places_of("redis+sentinel://a/s,redis+sentinel://a/t")
    assert one != other
    assert len({one, other, by_sentinel("redis+sentinel://a/s")}) == 2


EXPECTED = {
    "": r"expected a URL of redis://…, rediss://…, unix://…, redis\+unix://…, redis\+sentinel://…, rediss\+sentinel",
    "host:6379": "expected a URL of",
    "redis+sentinel://": "expected a URL of",
    "redis://a,b": "several Redises are several URLs with a comma between: redis://HOST,redis://HOST",
    "redis://a, redis://": "URL 2 of 2: expected a URL of",
    "redis://a,": r"expected redis://\[\[USER]:PASSWORD@]HOST\[:PORT]\[/DB]; in user and password",
    "redis://a/b": "expected a number as database",
    "redis://a/1?db=1": "expected the database once",
    "redis://a:0": "expected ports of 1 to 65535",
    "redis://a:65536": "expected ports of 1 to 65535",
    "redis://a#b": "expected redis://",
    "redis://a?db=x": "expected db= once, and a number behind it",
    "redis://a?password=": "expected password= once, and something behind it",
    "redis://a?password=b&password=c": "expected password= once",
    "redis://a?": r"expected behind the '\?' none but db, password, username, with '&' between",
    "redis://a?socket_timeout=1": r"expected behind the '\?' none but db, password, username",
    "redis://a?ssl_ca_certs=/b": "expected no ssl_ca_certs: it is for TLS, and so for rediss://…",
    "redis+sentinel://a/s?ssl_keyfile=/b": "for TLS, and so for rediss\\+sentinel://…",
    "redis://a?sentinel_password=b": "expected no sentinel_password: it is for redis\\+sentinel://…",
    "rediss://a?ssl_cert_reqs=no": "expected ssl_cert_reqs= once, and none, optional or required behind it",
    "rediss://a?ssl_check_hostname=no": "expected ssl_check_hostname= once, and true or false behind it",
    "unix://run/redis.sock": r"expected unix://\[\[USER]:PASSWORD@]/PATH\[\?db=DB]",
    "unix:///": "expected unix://",
    "unix:///a#b": "expected unix://",
    "unix://u:[@/a": "expected unix://",
    "unix://]@/a": "expected unix://",
    "redis+sentinel://a/s?sentinel_username=b": "expected a sentinel_password with the sentinel_username",
    "redis+sentinel://a": "expected the name of the service behind the hosts of the Sentinels",
    "redis+sentinel://a/": "expected the name of the service",
    "redis+sentinel://a/b c": "expected the name of the service",
    "redis+sentinel://a/b/c": "expected a number as database",
    "redis+sentinel://a,/b": r"expected redis\+sentinel://\[\[USER]:PASSWORD@]HOST\[:PORT]\[,HOST",
    "redis+sentinel://a:x,b/c": r"expected redis\+sentinel://",
    "redis+cluster://a/1": "expected no database: a Redis Cluster has 0 alone",
    "redis+cluster://a?db=1": "expected no database",
    "redis+cluster://a,redis://b": "expected a Redis Cluster alone",
    "redis+cluster://a,redis+cluster://b": "expected a Redis Cluster alone",
}  # fmt: skip


@pytest.mark.parametrize("text", EXPECTED)
def test_each_mistake_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=EXPECTED[text]):
        layout_of(text)


@given(
    user=st.none() | SECRETS,
    password=SECRETS,
    sentinel_password=SECRETS,
    sentinel_user=st.none() | SECRETS,
    sentinels=st.lists(ADDRESSES, min_size=1, max_size=3),
    told=ADDRESSES,
    db=st.integers(0, 15),
    tls=st.booleans(),
)
def test_redis_py_understands_each_url_that_comes_of_one_with_sentinels(
    user: str | None,
    password: str,
    sentinel_password: str,
    sentinel_user: str | None,
    sentinels: list[Address],
    told: Address,
    db: int,
    tls: bool,
) -> None:
    name = quote(user or "", safe="")
    place = by_sentinel(
        f"redis{'s' if tls else ''}+sentinel://{name}:{quote(password, safe='')}@{','.join(map(str, sentinels))}"
        f"/main/{db}?sentinel_password={quote(sentinel_password, safe='')}"
        + (f"&sentinel_username={quote(sentinel_user, safe='')}" if sentinel_user else "")
    )

    made = redis.ConnectionPool.from_url(place.at(told))
    assert made.connection_kwargs["host"] == told.host
    assert made.connection_kwargs["port"] == told.port
    assert made.connection_kwargs["db"] == db
    assert made.connection_kwargs["password"] == password
    assert made.connection_kwargs.get("username") == user
    assert place.sentinels == tuple(sentinels)
    for address in place.sentinels:
        asked = redis.ConnectionPool.from_url(place.sentinel(address)).connection_kwargs
        assert (asked["host"], asked["port"]) == address
        assert asked["password"] == sentinel_password
        assert asked.get("username") == sentinel_user


@given(urls=st.lists(st.builds("redis://{}/{}".format, ADDRESSES, st.integers(0, 9)), min_size=1, max_size=6))
def test_what_is_put_together_with_commas_is_taken_apart_again(urls: list[str]) -> None:
    assert layout_of(",".join(urls)) == tuple(map(Direct, urls))


@given(
    scheme=st.sampled_from((*SCHEMES, "http", "")),
    rest=st.text(st.sampled_from("ab1:/?#@[],%=& +"), max_size=25),
)
def test_a_text_is_a_layout_or_is_refused_with_what_was_expected_and_nothing_else_happens(
    scheme: str, rest: str
) -> None:
    try:
        layout = layout_of(f"{scheme}://{rest}")
    except ValueError as refused:
        assert "expected" in str(refused)
    else:
        for place in layout if isinstance(layout, tuple) else ():
            url = place.url if isinstance(place, Direct) else place.at(Address("h", 1))
            kwargs = redis.ConnectionPool.from_url(url).connection_kwargs
            user = unquote(urlsplit(url).username or "")
            assert not user or kwargs["username"] == user

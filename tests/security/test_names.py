"""Names and keys: no name, however odd, makes a key of another name, kind, slot or deployment."""

from __future__ import annotations

import math
import re
import secrets
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.protocol.errors import InvalidName
from trunkline.protocol.names import (
    Keys,
    channel_name,
    group_name,
    new_connection_id,
    new_interface_id,
    reply_name,
    split_reply_name,
)

ODD = [
    "", " ", ".", "..", "-", "a b", "a\nb", "a\0b", "{0}", "{", "}", "a{b}", "*", "?", "[a]", "!", "a!b", "a:b", "ü",
    "名", "a" * 101, "a" * 10_000, "reply.x!y", "stream:x", "epoch", "dead", "\ud800", "\u202e", "%00", "$(id)", "'",
    '"', "\\",
]  # fmt: skip
anything = st.one_of(st.sampled_from(ODD), st.text(max_size=220))
names = st.from_regex(re.compile(r"[A-Za-z0-9_\-]{1,40}", re.ASCII), fullmatch=True)
SLOT = re.compile(r"\{([^}]*)\}")


def every_key(keys: Keys, channel: str, group: str, interface: str, connection: str) -> dict[str, str]:
    """Each kind of key by its name."""
    return {
        "stream": keys.stream(channel),
        "mailbox": keys.mailbox(interface),
        "registry": keys.registry(interface),
        "group": keys.group(group),
        "groups": keys.groups_of(interface),
        "session": keys.session(connection),
        "interfaces": keys.leases("interface"),
        "workers": keys.leases("worker"),
        "info": keys.info(),
        "published": keys.published(),
        "dead": keys.dead(),
        "epoch": keys.epoch,
        "delayed": keys.delayed,
        "reaper": keys.reaper,
        "reaping": keys.reaping,
        "dead-workers": keys.dead_workers,
        "channels": keys.channels,
    }


def accepted(check: Any, value: str) -> str | None:
    try:
        return str(check(value))
    except InvalidName:
        return None


@given(anything, anything, anything, anything)
def test_no_name_that_is_taken_leaves_the_prefix_the_hash_tag_or_its_kind(
    channel: str, group: str, reply: str, other: str
) -> None:
    keys = Keys("trunkline", 0)
    interface, connection = ("i0", "c0")
    if "!" in reply and accepted(split_reply_name, reply) is not None:
        interface, connection = split_reply_name(reply)
    made = every_key(
        keys,
        accepted(channel_name, channel) or "jobs",
        accepted(group_name, group) or "room",
        interface,
        connection,
    )

    assert len(set(made.values())) == len(made)
    for key in made.values():
        assert key.startswith(keys.base)
        found = SLOT.search(key)
        assert found is not None and found[1] == "0"
        assert "\0" not in key and "\n" not in key and " " not in key


@given(anything, anything)
def test_two_names_never_share_a_key(one: str, two: str) -> None:
    keys = Keys()
    for check, key in ((channel_name, keys.stream), (group_name, keys.group)):
        first, second = accepted(check, one), accepted(check, two)
        if first is not None and second is not None:
            assert (key(first) == key(second)) == (one == two)


@given(names, names, st.integers(0, 99), st.integers(0, 99))
def test_two_deployments_or_shards_never_share_a_key(one: str, two: str, a: int, b: int) -> None:
    if (one, a) == (two, b):
        return
    mine = set(every_key(Keys(one, a), "jobs", "room", "i0", "c0").values())
    theirs = set(every_key(Keys(two, b), "jobs", "room", "i0", "c0").values())

    assert mine.isdisjoint(theirs)
    # Nor does the pattern of an ACL that ends with a colon reach the other's.
    if one != two:
        assert not any(key.startswith(f"{one}:") for key in theirs)


@pytest.mark.parametrize(
    "prefix", ["", "a:b", "a{b}", "{", "a b", "a*", "a?", "a\n", "ü", "a" * 51, "[a]", "\\"]
)
def test_a_prefix_that_could_reach_further_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidName, match="key prefix"):
        Keys(prefix)


@given(anything)
def test_what_is_taken_for_a_reply_channel_has_exactly_two_harmless_parts(value: str) -> None:
    if accepted(split_reply_name, value) is None:
        return
    interface, connection = split_reply_name(value)

    assert re.fullmatch(r"[A-Za-z0-9_\-]+", interface) and re.fullmatch(r"[A-Za-z0-9_\-]+", connection)
    assert reply_name(interface, connection) == value


def test_a_connection_id_has_120_random_bits_from_the_systems_generator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    real = secrets.token_bytes

    def noting(count: int | None = None) -> bytes:
        asked.append(count or 0)
        return real(count)

    monkeypatch.setattr(secrets, "token_bytes", noting)
    connection = new_connection_id()

    assert asked == [15]
    assert len(connection) == 20
    # 64 letters, 20 of them, none with less than its 6 bits: as many as an attacker has to guess.
    assert math.log2(64) * len(connection) == 120


def test_ids_of_connections_share_no_part_that_one_of_them_would_tell_about_the_next() -> None:
    ids = [new_connection_id() for _ in range(2000)]

    assert len(set(ids)) == len(ids)
    for place in range(20):
        # Of 64 letters all but a few stand at each place among 2,000; a counter or a clock would show here.
        assert len({identity[place] for identity in ids}) > 58
    assert all(one[:8] != two[:8] for one, two in combinations(ids[:300], 2))
    assert len({new_interface_id() for _ in range(2000)}) == 2000

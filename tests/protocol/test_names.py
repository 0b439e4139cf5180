"""Names and keys: what is allowed, and that no name moves a key out of its slot or kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.protocol import names
from trunkline.protocol.errors import InvalidName
from trunkline.protocol.names import ConnectionId, InterfaceId, Keys


def hash_tag(key: str) -> str:
    """The part of a key that Redis Cluster hashes, as its specification puts it: between the first { and the next }."""
    start = key.find("{")
    end = key.find("}", start + 1)
    return key[start + 1 : end] if start >= 0 and end > start + 1 else key


def crc16(data: bytes) -> int:
    """CRC16 of the Redis Cluster specification (XMODEM: polynomial 0x1021, initial value 0)."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
        crc &= 0xFFFF
    return crc


def slot(key: str) -> int:
    return crc16(hash_tag(key).encode("utf-8", "surrogatepass")) % 16384


def named_keys(keys: Keys, name: str) -> list[str]:
    makers = (keys.stream, keys.mailbox, keys.registry, keys.group, keys.groups_of, keys.session, keys.leases)
    return [make(name) for make in makers]


def plain_keys(keys: Keys) -> list[str]:
    return [keys.epoch, keys.delayed, keys.reaper, keys.info(), keys.published(), keys.dead()]


@pytest.mark.parametrize("name", ["websocket.receive", "a", "_", "0", "a-b.c_D", "x" * 100])
def test_a_channel_name_of_allowed_characters_is_taken(name: str) -> None:
    assert names.channel_name(name) == name


@pytest.mark.parametrize("name", ["", ".a", "-a", "a b", "a!", "a{b}", "é", "x" * 101, "a\n", None, 3, b"a"])
def test_any_other_channel_name_is_refused_with_its_value(name: object) -> None:
    with pytest.raises(InvalidName) as caught:
        names.channel_name(name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("name", ["chat", "chat-räume", "a.b:c@d+e/f=g", "聊天", "é" * 100])
def test_a_group_name_may_be_of_any_script(name: str) -> None:
    assert names.group_name(name) == name


@pytest.mark.parametrize("name", ["", "a b", "a\n", "a{b}", "\ud800", "é" * 101, "x" * 201, None, b"a", 7])
def test_any_other_group_name_is_refused_with_its_value(name: object) -> None:
    with pytest.raises(InvalidName) as caught:
        names.group_name(name)
    assert repr(name) in str(caught.value)


@given(st.text())
def test_a_group_name_that_is_taken_fits_its_bound_and_holds_no_brace(text: str) -> None:
    try:
        name = names.group_name(text)
    except InvalidName:
        return
    assert 1 <= len(name.encode()) <= names.MAX_GROUP_BYTES
    assert not set("{} \n!") & set(name)


IDS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", min_size=1, max_size=40)


@given(IDS, IDS)
def test_a_reply_channel_name_comes_apart_into_what_it_was_made_of(interface: str, connection: str) -> None:
    name = names.reply_name(InterfaceId(interface), ConnectionId(connection))
    assert names.split_reply_name(name) == (interface, connection)


@pytest.mark.parametrize(
    "name", ["", "reply.a", "reply.!b", "reply.a!", "reply.a!b!c", "x.a!b", f"reply.a!{'b' * 100}", 5]
)
def test_what_is_no_reply_channel_name_is_refused_with_its_value(name: object) -> None:
    with pytest.raises(InvalidName) as caught:
        names.split_reply_name(name)
    assert repr(name) in str(caught.value)


def test_fresh_ids_differ_and_make_reply_channel_names() -> None:
    made = {names.new_interface_id() for _ in range(100)} | {names.new_worker_id() for _ in range(100)}
    connections = {names.new_connection_id() for _ in range(100)}
    assert len(made) == 200 and len(connections) == 100
    for connection in connections:
        name = names.reply_name(names.new_interface_id(), connection)
        assert names.split_reply_name(name)[1] == connection
        assert len(name) <= names.MAX_REPLY_LENGTH


def test_the_slot_function_of_these_tests_is_that_of_redis() -> None:
    assert crc16(b"123456789") == 0x31C3  # the specification's own check value
    assert hash_tag("{user1000}.following") == "user1000" and hash_tag("foo{}{bar}") == "foo{}{bar}"


@given(st.text(), st.integers(0, 16383))
def test_no_name_moves_a_key_out_of_the_slot_of_its_shard(name: str, shard: int) -> None:
    keys = Keys("trunkline", shard)
    for key in (*named_keys(keys, name), *plain_keys(keys)):
        assert hash_tag(key) == str(shard)
    assert len({slot(key) for key in (*named_keys(keys, name), *plain_keys(keys))}) == 1


@given(st.text(), st.text())
def test_no_two_kinds_and_no_two_names_share_a_key(one: str, other: str) -> None:
    keys = Keys()
    made = [*named_keys(keys, one), *plain_keys(keys)]
    assert len(set(made)) == len(made)
    if one != other:
        assert not set(named_keys(keys, one)) & set(named_keys(keys, other))


@pytest.mark.parametrize("prefix", ["", "a{b", "a}b", "a:b", "a b", "é", "x" * 51, "a\n"])
def test_a_prefix_that_could_move_keys_is_refused_with_its_value(prefix: str) -> None:
    with pytest.raises(InvalidName) as caught:
        Keys(prefix)
    assert repr(prefix) in str(caught.value)


def test_deployments_with_different_prefixes_share_no_key() -> None:
    assert not set(plain_keys(Keys("one"))) & set(plain_keys(Keys("two")))


def test_a_connection_id_names_its_shard() -> None:
    for shard in (0, 1, 12):
        connection = names.new_connection_id(shard)
        assert names.shard_of(connection) == shard
        assert names.split_reply_name(names.reply_name(names.new_interface_id(), connection))[1] == connection


@pytest.mark.parametrize(
    "text", ["", "c1", "abcdefghijklmnopqrst", "abcdefghijklmnopqrst-", "abcdefghijklmnopqrst²"]
)
def test_what_names_no_shard_lives_on_the_first(text: str) -> None:
    assert names.shard_of(text) == 0


@given(st.integers(0, 99))
def test_a_shard_is_in_the_slot_of_its_hash_tag(shard: int) -> None:
    assert names.slot_of_shard(shard) == slot(Keys(shard=shard).epoch)

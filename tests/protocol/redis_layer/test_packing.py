from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hiredis
import pytest

from trunkline.protocol.layer import Publication
from trunkline.protocol.names import ChannelName
from trunkline.protocol.redis_layer.packing import END, KEPT, Head, arguments, length_line, pack
from trunkline.protocol.redis_layer.publishing import CHANNELS, Packer, entry_args
from trunkline.protocol.redis_layer.standing import Standing

START: list[str | bytes | int] = ["EVALSHA", "0" * 40, 1, "trunkline:{0}:epoch", "trunkline:{0}:"]
CAPACITY = 10_000


@pytest.mark.parametrize(
    "command",
    [
        ["PING"],
        ["SET", "é", b"\r\n$1\r\n\x00"],
        ["SET", "", b""],
        ["X", -1, 0, 2**63, "x" * (KEPT - 1), "x" * KEPT, b"x" * 70_000] * 3,
        ["é", b"", -7] * 20,
        [b"word"] * 5000,
    ],
)
def test_a_command_is_packed_as_hiredis_does_it(command: list[str | bytes | int]) -> None:
    by_hiredis: Any = hiredis.pack_command  # its stub knows commands of one word
    assert pack(command) == by_hiredis(tuple(command))


@pytest.mark.parametrize("length", [0, 1, KEPT - 1, KEPT, KEPT + 1, 16 * 1024 * 1024])
def test_the_line_before_an_argument_is_that_of_hiredis(length: int) -> None:
    argument = b"x" * length

    assert length_line(length) + argument + END == arguments([argument])


@pytest.mark.parametrize("rest", [[b""], ["é", 7], [b"\r\n$1\r\n", -1, "x" * 5000, *range(40)]])
def test_a_head_and_what_follows_it_are_the_whole_command(rest: list[str | bytes | int]) -> None:
    head = Head(START)

    assert head.followed_by(rest) == pack([*START, *rest])
    assert head.before(len(rest)) + arguments(rest) == pack([*START, *rest])


def publication(channel: str, body: bytes, must: bool = False) -> Publication:
    return Publication(ChannelName(channel), body, None, must)


@pytest.mark.parametrize(
    "batch",
    [
        [publication("websocket.receive", b"one")],
        [publication("websocket.disconnect@canary", b"", must=True)],
        [publication("websocket.receive", b"x" * 5000)],
        [publication("websocket.receive", b"one"), publication("websocket.receive", b"two")],
        [publication("websocket.receive", b"x" * length) for length in (0, KEPT - 1, KEPT, 5000)],
        [publication("websocket.receive", b"one"), publication("websocket.disconnect", b"two", must=True)],
        [publication("websocket.receive", b"one"), publication("websocket.connect", b"two")],
        [publication("websocket.disconnect", b"one", must=True)] * 2,
    ],
)
@pytest.mark.parametrize("number", [1, 9, 10, 123_456_789_012])
def test_a_batch_is_packed_as_publish_lua_reads_it(batch: Sequence[Publication], number: int) -> None:
    packer = Packer(START, standing(), CAPACITY)
    whole = pack([*START, "i0", "epoch-1", number, number - 1, CAPACITY, *entry_args(batch)])

    assert packer.pack(number, number - 1, batch) == whole
    assert packer.pack(number, number - 1, batch) == whole  # with what it remembers


def test_a_packer_forgets_channels_that_it_knows_too_many_of() -> None:
    packer = Packer(START, standing(), CAPACITY)

    for track in range(3 * CHANNELS):
        batch = [publication(f"websocket.receive@{track}", b"body")]
        assert packer.pack(1, 0, batch) == pack([*START, "i0", "epoch-1", 1, 0, CAPACITY, *entry_args(batch)])
        assert packer.known <= CHANNELS


def standing() -> Standing:
    made = Standing()
    made.id, made.epoch = "i0", "epoch-1"
    return made

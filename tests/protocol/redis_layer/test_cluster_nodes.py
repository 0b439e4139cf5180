"""The nodes of a Redis Cluster, and what is said to them."""

from __future__ import annotations

from typing import Any

import pytest
import redis.asyncio

from tests.protocol.redis_layer.conftest import Faulty
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.redis_layer.cluster_link import ClusterLink, guarded, guarded_packed
from trunkline.protocol.redis_layer.cluster_nodes import ClusterNodes, read_slots
from trunkline.protocol.redis_layer.packing import pack
from trunkline.protocol.redis_layer.scripts import GUARDED, SCRIPTS
from trunkline.protocol.redis_layout import BySlot, OfCluster, layout_of
from trunkline.protocol.redis_parts import Address

A, B, C = Address("10.0.0.1", 1), Address("10.0.0.2", 2), Address("10.0.0.3", 3)


def node(address: Address) -> list[object]:
    return [address.host.encode(), address.port, b"id"]


SLOTS = [[0, 99, node(A), node(C)], [100, 16383, node(B)]]


def place(slot: int = 100) -> BySlot:
    cluster = layout_of(f"redis+cluster://{A},{B}")
    assert isinstance(cluster, OfCluster)
    return BySlot(cluster, slot)


def test_the_primary_of_a_slot_is_read_and_every_node() -> None:
    assert read_slots(SLOTS, 99, "asked") == (A, [A, C, B])
    assert read_slots(SLOTS, 100, "asked") == (B, [A, C, B])
    assert read_slots([[0, 1, node(A)]], 2, "asked") == (None, [A])
    assert read_slots([[0, 1]], 0, "asked") == (None, [])


@pytest.mark.parametrize("unknown", [b"", None])
def test_a_node_that_does_not_know_its_own_name_is_the_one_that_was_asked(unknown: bytes | None) -> None:
    assert read_slots([[0, 1, [unknown, 7, b"id"]]], 0, "asked")[0] == Address("asked", 7)


class Answers:
    """What each node answers; an exception is raised."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **answers: object) -> None:
        self.asked: list[str] = []
        outer = self

        class Client:
            def __init__(self, url: str) -> None:
                self.host = url.partition("://")[2].partition(":")[0]

            def _answer(self) -> Any:
                outer.asked.append(self.host)
                answer = answers[f"h{self.host[-1]}"]
                if isinstance(answer, Exception):
                    raise answer
                return answer

            @classmethod
            def from_url(cls, url: str, **options: object) -> Client:
                return cls(url)

        class Blocking(Client):
            def __enter__(self) -> Blocking:
                return self

            def __exit__(self, *error: object) -> None:
                pass

            def execute_command(self, *command: str) -> Any:
                return self._answer()

        class Soon(Client):
            async def __aenter__(self) -> Soon:
                return self

            async def __aexit__(self, *error: object) -> None:
                pass

            async def execute_command(self, *command: str) -> Any:
                return self._answer()

        monkeypatch.setattr(redis, "Redis", Blocking)
        monkeypatch.setattr(redis.asyncio, "Redis", Soon)


async def test_the_first_node_that_answers_is_asked_first_the_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = Answers(monkeypatch, h1=OSError("gone"), h2=SLOTS, h3=SLOTS)
    nodes = ClusterNodes(place())

    assert await nodes.find_soon() == B
    assert nodes.find() == B
    assert [name[-1] for name in answers.asked] == ["1", "2", "2"]

    # What it told was no primary: another is asked, also one that nobody had named.
    for _ in range(2):
        nodes.doubt()
        assert nodes.find() == B
    assert "3" in {name[-1] for name in answers.asked}


async def test_it_says_what_each_node_said_if_none_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    Answers(monkeypatch, h1=OSError("gone fishing"), h2=[[0, 1, node(A)]])

    for ask in (ClusterNodes(place()).find_soon, None):
        with pytest.raises(LayerUnavailable, match=r"slot 100 is: .*gone fishing; .*is nobody's"):
            if ask is not None:
                await ask()
            else:
                ClusterNodes(place()).find()


def test_a_script_is_replaced_by_the_guarded_one_however_it_is_sent() -> None:
    plain = SCRIPTS["commit"].call(["k"], ["a", b"b", 3])
    expected = [*plain]
    expected[1] = GUARDED["commit"].sha

    assert list(guarded(plain)) == expected
    assert guarded_packed(pack(plain)) == pack(expected)


@pytest.mark.parametrize(
    "command", [["MGET", "k" * 40, "l"], ["EVALSHA", "0" * 40, 1, "k"], ["XACK", "s", "g", "1-0"]]
)
def test_anything_else_stays_as_it_is(command: list[str | bytes | int]) -> None:
    assert list(guarded(command)) == command
    assert guarded_packed(pack(command)) == pack(command)


def test_a_guarded_script_asks_for_a_key_that_is_never_there_before_all_else() -> None:
    for name, script in GUARDED.items():
        first, _, rest = script.text.partition("\n")
        assert first == "redis.call('EXISTS', KEYS[1] .. ':never')"
        assert rest == SCRIPTS[name].text


async def test_a_link_to_a_cluster_sends_the_guarded_scripts_in_each_of_its_ways(
    faulty: Faulty,
) -> None:
    async def told() -> None:
        pass

    plain = SCRIPTS["retire"].call(["{k}"], ["{k}", "nobody"])
    link = ClusterLink(faulty.settings.place, "trunkline-test", told, lambda: None)
    answers: list[Any] = []
    await link.open()
    try:
        await link.ask(["SCRIPT", "FLUSH"])
        await link.ask(["SCRIPT", "LOAD", GUARDED["retire"].text])
        assert link.call(plain, answers.append)
        assert link.send(pack(plain), answers.append)
        assert await link.ask(plain) == 1
    finally:
        await link.close()
    assert answers == [1, 1]

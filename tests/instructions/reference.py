"""The yardstick: a fixed piece of plain Python that is counted beside the paths.

How many instructions a byte code costs depends on who built CPython, and how. What the paths do costs about as many
times this loop on each of them, so the gates hold for that ratio. It must never change: each gate would mean something
else.
"""

from __future__ import annotations

from typing import Final

from .lap import HotPath, Lap

ROUNDS: Final = 1000


class _Item:
    __slots__ = ("number", "payload", "waiting")

    def __init__(self, number: int, payload: bytes) -> None:
        self.number = number
        self.payload = payload
        self.waiting: list[bytes] | None = None

    def push(self, piece: bytes) -> int:
        waiting = self.waiting
        if waiting is None:
            self.waiting = [piece]
            return 1
        waiting.append(piece)
        return len(waiting)


class _Table:
    def __init__(self) -> None:
        self.items: dict[str, _Item] = {}
        self.count = 0

    def take(self, name: str, payload: bytes) -> tuple[str, int, bytes] | None:
        item = self.items.get(name)
        if item is None:
            item = self.items[name] = _Item(self.count, payload)
        self.count += 1
        if type(payload) is not bytes or len(payload) < 8:
            return None
        if item.push(payload[2:8]) < 3:
            return None
        whole = b"".join(item.waiting or ())
        item.waiting = None
        return (name, item.number, whole)


_NAMES: Final = tuple(f"name-{number}" for number in range(8))


def _round(table: _Table) -> int:
    total = 0
    for name in _NAMES:
        found = table.take(name, b"\x81\x84abcdefgh")
        if found is not None:
            key, number, whole = found
            text = whole.decode()
            total += number + len(text) + len(f"{key}!{number}")
    return total


def _lap(rounds: int) -> Lap:
    table = _Table()
    totals: list[int] = []

    def work() -> None:
        for _ in range(rounds):
            totals.append(_round(table))

    def check() -> None:
        assert len(totals) == rounds and table.count == rounds * len(_NAMES)

    return Lap(work, check)


REFERENCE: Final = HotPath("reference", ROUNDS, _lap)

"""Early sends: what handlers sent before their end, and which of it was dropped.

``apply.lua`` drops what comes from a worker that does not hold the entry any more. That worker may still be the first
to acknowledge the entry, and then nobody would ever send what was dropped. So an entry is committed when it is known
that what was sent within it is applied, and not at all if some was dropped: whoever holds it sends it all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ..messages import Delivery, Outcome


class Parted(NamedTuple):
    """Outcomes by what is known of their early sends.

    Attributes:
        ready: all were applied, or there were none.
        waiting: some are not answered.
        dropped: some were dropped, so these must not be committed.
    """

    ready: list[Outcome]
    waiting: list[Outcome]
    dropped: list[Outcome]


class EarlySends:
    """Knows which deliveries have sent something early. False while there are none to care about.

    All is called on the event loop, but for `part` and `forget`.
    """

    __slots__ = ("_dropped", "_then", "_under_way")

    def __init__(self) -> None:
        self._under_way: Counter[tuple[str, str]] = Counter()
        self._dropped: set[tuple[str, str]] = set()
        self._then: dict[tuple[str, str], list[Callable[[], None]]] = {}

    def __bool__(self) -> bool:
        return bool(self._under_way or self._dropped)

    def begin(self, delivery: Delivery) -> None:
        """Something is sent within this delivery."""
        self._under_way[_key(delivery)] += 1

    def end(self, delivery: Delivery, applied: bool) -> None:
        """It was answered; whoever waits for that goes on."""
        key = _key(delivery)
        if not applied:
            self._dropped.add(key)
        self._under_way[key] -= 1
        if self._under_way[key]:
            return
        del self._under_way[key]
        for go_on in self._then.pop(key, ()):
            go_on()

    def then(self, delivery: Delivery, go_on: Callable[[], None]) -> None:
        """Calls ``go_on`` when all that is under way within this delivery was answered."""
        self._then.setdefault(_key(delivery), []).append(go_on)

    def part(self, outcomes: Sequence[Outcome]) -> Parted:
        """Sorts outcomes. From any thread."""
        parted = Parted([], [], [])
        for outcome in outcomes:
            key = _key(outcome.delivery)
            if key in self._under_way:
                parted.waiting.append(outcome)
            elif key in self._dropped:
                parted.dropped.append(outcome)
            else:
                parted.ready.append(outcome)
        return parted

    def forget(self, deliveries: Iterable[Delivery]) -> None:
        """These are done with. From any thread."""
        for delivery in deliveries:
            self._dropped.discard(_key(delivery))


def _key(delivery: Delivery) -> tuple[str, str]:
    return delivery.channel, delivery.id

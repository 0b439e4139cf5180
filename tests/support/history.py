"""The history checker: what connections sent against what they heard, and every way in which the two differ. Pure.

Each connection's messages differ from each other (they are numbered), and each has one reply. A delivery that keeps the
promises is then the very list of expected replies, whatever process died meanwhile; anything else is a fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

Kind = Literal["lost", "doubled", "reordered", "invented"]

SHOWN = 12
"""Faults that a failure spells out; a broken cluster has thousands."""


class Fault(NamedTuple):
    """One way in which a connection's history is not what it should be.

    Attributes:
        kind: ``lost``: never heard; ``doubled``: heard again; ``reordered``: heard behind a later one; ``invented``:
            heard but never expected.
        connection: which connection.
        message: the reply in question.
        position: index in what was heard; of a lost one, in what was expected.
    """

    kind: Kind
    connection: str
    message: str
    position: int

    def __str__(self) -> str:
        return f"{self.connection}: {self.message!r} {self.kind} (at {self.position})"


class History(NamedTuple):
    """One connection.

    Attributes:
        expected: the replies it should hear, in order, all different.
        heard: the replies it heard, in order.
        ended: it was cut off, so that the last of the expected replies may be missing; none in between.
    """

    expected: Sequence[str]
    heard: Sequence[str]
    ended: bool = False


def faults(histories: Mapping[str, History]) -> list[Fault]:
    """Every fault of every connection, connection by connection.

    Raises:
        ValueError: a connection expects the same reply twice, so that nothing could be told.
    """
    return [fault for name, history in histories.items() for fault in _faults(name, history)]


def _faults(connection: str, history: History) -> Iterable[Fault]:
    places = {message: place for place, message in enumerate(history.expected)}
    if len(places) != len(history.expected):
        raise ValueError(f"{connection} expects a reply twice; number the messages")
    seen: set[str] = set()
    furthest = -1
    for position, message in enumerate(history.heard):
        place = places.get(message)
        if place is None:
            yield Fault("invented", connection, message, position)
        elif message in seen:
            yield Fault("doubled", connection, message, position)
        else:
            seen.add(message)
            if place < furthest:
                yield Fault("reordered", connection, message, position)
            furthest = max(furthest, place)
    owed = furthest + 1 if history.ended else len(history.expected)
    for place, message in enumerate(history.expected[:owed]):
        if message not in seen:
            yield Fault("lost", connection, message, place)


def check(histories: Mapping[str, History]) -> None:
    """Asserts that nothing was lost, doubled, reordered or invented.

    Raises:
        AssertionError: something was; the text counts the faults by kind and shows the first of them.
    """
    found = faults(histories)
    if found:
        kinds = sorted({fault.kind for fault in found})
        counts = ", ".join(f"{kind}={sum(fault.kind == kind for fault in found)}" for kind in kinds)
        shown = "\n".join(f"  {fault}" for fault in found[:SHOWN])
        more = f"\n  and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise AssertionError(f"of {len(histories)} connections: {counts}\n{shown}{more}")

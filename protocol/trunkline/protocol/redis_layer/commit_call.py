"""Outcomes and effects as the arguments of ``commit.lua`` and ``apply.lua``. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Final

from ..messages import (
    ChannelSend,
    DeadLetter,
    Effect,
    GroupAdd,
    GroupSend,
    Outcome,
    Post,
    Register,
    SessionWrite,
    SetAside,
    Unregister,
)
from ..names import ChannelName, InterfaceId

Arg = str | bytes | int

SESSION_TTL_MS: Final = 24 * 3600 * 1000
"""Life time of a session that no registered connection owns."""

# The fields of each effect stand in the order of its letter's arguments, so an effect is flattened by unpacking it.
_LETTERS: Final[dict[type, str]] = {
    Post: "P",
    GroupAdd: "A",
    GroupSend: "G",
    SessionWrite: "S",
    ChannelSend: "C",
    SetAside: "T",
    Register: "R",
    Unregister: "U",
    DeadLetter: "L",
}


_DECIMALS: Final = tuple(map(str, range(2048)))
"""More than most chunks have bytes."""
_channel, _id = itemgetter(0), itemgetter(1)  # of a delivery
_delivery: Final = itemgetter(0)  # of an outcome

MAX_CALL_BYTES: Final = 4 * 1024 * 1024
"""Of one call, about: while Redis takes a larger one in and works on it nobody else is answered."""


def split(outcomes: Sequence[Outcome]) -> list[Sequence[Outcome]]:
    """Parts of a commit, in order, none with much over `MAX_CALL_BYTES` of effects unless a single outcome has."""
    parts: list[Sequence[Outcome]] = []
    start, size = 0, 0
    for index, outcome in enumerate(outcomes):
        weight = sum(
            len(field) for effect in outcome.effects for field in effect if isinstance(field, str | bytes)
        )
        if index > start and size + weight > MAX_CALL_BYTES:
            parts.append(outcomes[start:index])
            start, size = index, 0
        size += weight
    parts.append(outcomes[start:])
    return parts


def flatten(effects: Sequence[Effect]) -> list[Arg]:
    """Effects as ``effects.lua`` reads them: each its letter and its fields."""
    args: list[Arg] = []
    for effect in effects:
        args.append(_LETTERS[type(effect)])
        args += effect
    return args


def commit_args(outcomes: Sequence[Outcome]) -> tuple[tuple[ChannelName, ...], list[Arg]]:
    """Sorts outcomes by channel, as ``commit.lua`` wants them.

    Returns:
        The channels, and the arguments from the counts of entries on.
    """
    if len(outcomes) == 1:  # where messages come singly, sorting would be a part of what each costs
        delivery, effects = outcomes[0]
        return (delivery[0],), [1, delivery[1], len(effects), *flatten(effects)]
    deliveries = list(map(_delivery, outcomes))
    if len(set(map(_channel, deliveries))) == 1:  # as mostly
        args: list[Arg] = [len(outcomes), *map(_id, deliveries)]
        _add_effects(args, outcomes)
        return (deliveries[0][0],), args
    by_channel: dict[ChannelName, list[Outcome]] = {}
    for outcome in outcomes:
        by_channel.setdefault(outcome[0][0], []).append(outcome)
    args = list(map(len, by_channel.values()))
    for some in by_channel.values():
        args += [delivery[1] for delivery, _ in some]
    for some in by_channel.values():
        _add_effects(args, some)
    return tuple(by_channel), args


def _add_effects(args: list[Arg], outcomes: Sequence[Outcome]) -> None:
    # Of entries that follow each other and do what most do: they answer, and write their session perhaps. Writes stand
    # with the places of their entries among these.
    posts: list[Post] = []
    writes: list[tuple[int, SessionWrite]] = []
    for _, effects in outcomes:
        last = effects[-1] if effects else None
        if type(last) is Post:
            if len(effects) == 1:
                posts.append(last)
                continue
            first = effects[0]
            if len(effects) == 2 and type(first) is SessionWrite and first[2]:
                posts.append(last)
                writes.append((len(posts), first))
                continue
        if posts:
            _add_run(args, posts, writes)
            posts, writes = [], []
        args.append(len(effects))
        args += flatten(effects)
    if posts:
        _add_run(args, posts, writes)


def _add_run(args: list[Arg], posts: Sequence[Post], writes: Sequence[tuple[int, SessionWrite]]) -> None:
    """Adds what entries post, one each, by mailbox: Redis spends on each argument what a chunk costs it otherwise."""
    if len(posts) == 1:
        effects: list[Effect] = [*(write for _, write in writes), posts[0]]
        args.append(len(effects))
        args += flatten(effects)
        return
    chunks: defaultdict[InterfaceId, list[bytes]] = defaultdict(list)
    places: defaultdict[InterfaceId, list[int]] = defaultdict(list)
    for place, (interface, chunk) in enumerate(posts, 1):
        chunks[interface].append(chunk)
        places[interface].append(place)
    args += (-len(posts), len(chunks))
    for interface, some in chunks.items():
        pairs = [*chain.from_iterable(zip(places[interface], map(len, some), strict=True))]
        args += (interface, b"".join(some), " ".join(_decimals(pairs)))
    _add_writes(args, writes)


def _add_writes(args: list[Arg], writes: Sequence[tuple[int, SessionWrite]]) -> None:
    by_interface: dict[InterfaceId, list[tuple[int, SessionWrite]]] = {}
    for placed in writes:
        by_interface.setdefault(placed[1][0], []).append(placed)
    args.append(len(by_interface))
    for interface, some in by_interface.items():
        args += (interface, len(some), " ".join([str(place) for place, _ in some]))
        args += [write[1] for _, write in some]
        args += [write[2] for _, write in some]


def _decimals(numbers: Sequence[int]) -> Iterable[str]:
    """Two or more numbers as text. Most are small, and looked up for a fraction of what printing them costs."""
    try:
        found: tuple[str, ...] = itemgetter(*numbers)(_DECIMALS)
    except IndexError:
        return map(str, numbers)
    return found

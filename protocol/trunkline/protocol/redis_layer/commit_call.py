"""Outcomes and effects as the arguments of ``commit.lua`` and ``apply.lua``. Pure."""

from __future__ import annotations

from collections.abc import Sequence

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
from ..names import ChannelName

Arg = str | bytes | int

SESSION_TTL_MS = 24 * 3600 * 1000
"""Life time of a session that no registered connection owns."""

# The fields of each effect stand in the order of its letter's arguments, so an effect is flattened by unpacking it.
_LETTERS: dict[type, str] = {
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


MAX_CALL_BYTES = 4 * 1024 * 1024
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


def commit_args(outcomes: Sequence[Outcome]) -> tuple[list[ChannelName], list[Arg]]:
    """Sorts outcomes by channel, as ``commit.lua`` wants them.

    Returns:
        The channels, and the arguments from the counts of entries on.
    """
    channels: list[ChannelName] = []
    by_channel: dict[ChannelName, list[Outcome]] = {}
    for outcome in outcomes:
        channel = outcome.delivery.channel
        if channel not in by_channel:
            by_channel[channel] = []
            channels.append(channel)
        by_channel[channel].append(outcome)
    args: list[Arg] = [len(by_channel[channel]) for channel in channels]
    for channel in channels:
        args += [outcome.delivery.id for outcome in by_channel[channel]]
    for channel in channels:
        for outcome in by_channel[channel]:
            args.append(len(outcome.effects))
            args += flatten(outcome.effects)
    return channels, args

"""How the log of an outbox becomes effects: payloads for the own connection folded, the RELEASE last.

Payloads behind the last effect whose place among them a connection can see go into the RELEASE; earlier ones become
SENDs where they stand, so that nothing changes places.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from trunkline.protocol.codec import encode_entry, encode_group_add, encode_release, encode_send
from trunkline.protocol.messages import (
    LAST_SEQ,
    Content,
    Effect,
    Entry,
    GroupAdd,
    GroupSend,
    Payload,
    Post,
    Register,
    SessionWrite,
    Unregister,
)
from trunkline.protocol.names import DISCONNECT, ConnectionId, InterfaceId, ReplyName
from trunkline.protocol.tracks import MAIN, registered

from .contents import without_verdicts

ABNORMAL_CLOSE: Final = {"code": 1006, "reason": ""}
"""The event of a disconnect nobody saw (RFC 6455 7.4.1: 1006 says that there was no close frame)."""

_PAYLOADS: Final = frozenset({str, bytes, dict})
_ORDERED: Final = frozenset({Post, GroupAdd, GroupSend})
"""The effects whose place among the own payloads a connection can see; nobody can see that of the others."""


class Own(NamedTuple):
    """The connection whose entry was handled.

    Attributes:
        interface: who holds it.
        connection: its id.
        seq: number of the entry's first event.
        reply: both as the name of its reply channel; None only for a background message, which has no log to fold.
        connecting: the entry is a connect, so payloads may hold verdicts, which only its RELEASE carries.
    """

    interface: InterfaceId
    connection: ConnectionId
    seq: int
    reply: ReplyName | None
    connecting: bool


def own_payloads(log: Sequence[Any]) -> tuple[Payload, ...]:
    """What a log holds for the own connection."""
    return tuple(item for item in log if type(item) in _PAYLOADS)


def fold(own: Own, log: Sequence[Any]) -> tuple[list[Effect], list[Payload]]:
    """Takes a log apart: the effects in order, and the payloads behind the last ordered one."""
    if _PAYLOADS.isdisjoint(map(type, log)):  # as of a handler that tells only others
        return list(log), []
    effects: list[Effect] = []
    payloads: list[Payload] = []
    for item in log:
        kind = type(item)
        if kind in _PAYLOADS:
            payloads.append(item)
            continue
        if payloads and kind in _ORDERED:
            effects += posts(own, payloads)
            payloads = []
        effects.append(item)
    return effects, without_verdicts(payloads) if own.connecting else payloads


def posts(own: Own, payloads: Sequence[Payload]) -> list[Effect]:
    """A SEND for each payload. Its seq lets the interface drop it if it is a replay."""
    rest = without_verdicts(payloads) if own.connecting else payloads
    return [Post(own.interface, encode_send(own.connection, own.seq, payload)) for payload in rest]


def released(own: Own, log: Sequence[Any]) -> list[Effect]:
    """The effects of a frame, disconnect or HTTP request, the RELEASE last."""
    effects, last = fold(own, log)
    if own.seq < 0:  # redriven from a dead letter: its connection went on long ago and waits for no release
        return effects + posts(own, last)
    effects.append(Post(own.interface, encode_release(own.connection, own.seq, last)))
    return effects


def accepted(own: Own, log: Sequence[Any], verdict: Content, path: str, track: str = MAIN) -> list[Effect]:
    """The effects of a connect whose handshake succeeds, with what the reaper publishes should its interface die."""
    effects, last = fold(own, log)
    if own.seq < 0:  # redriven, as above
        return effects + posts(own, last)
    gone = Entry(DISCONNECT, own.reply, path, LAST_SEQ, [dict(ABNORMAL_CLOSE)])
    # First: a session is kept for as long as its connection is registered, else it expires.
    effects.insert(0, Register(own.interface, own.connection, registered(encode_entry(gone), track)))
    effects.append(Post(own.interface, encode_release(own.connection, own.seq, [verdict, *last])))
    return effects


def refused(own: Own, log: Sequence[Any], verdict: Content, *, flushed: bool) -> list[Effect]:
    """The effects of a connect whose handshake is refused: only those for others.

    Args:
        own: whose handshake.
        log: what its handler did.
        verdict: the refusal.
        flushed: something was applied before, perhaps the session; then it is deleted again.
    """
    effects: list[Effect] = [item for item in log if _is_for_others(own, item)]
    if flushed:
        effects.append(Unregister(own.interface, own.connection))
    if own.seq >= 0:
        effects.append(Post(own.interface, encode_release(own.connection, own.seq, [verdict])))
    return effects


def _is_for_others(own: Own, item: Any) -> bool:
    kind = type(item)
    if kind is GroupAdd:
        return bool(item.chunk != encode_group_add(item.group, own.connection))
    return kind not in _PAYLOADS and kind is not SessionWrite

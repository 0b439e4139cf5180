"""How the outbox of an entry ends, by channel: what the one whose entry it was is told at last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from trunkline.protocol.messages import Content, Effect, SessionWrite
from trunkline.protocol.names import CONNECT, DISCONNECT, RECEIVE, ChannelName
from trunkline.protocol.tracks import split_track

from .effect_log import EffectLog, split

# What SessionWrite(...) does, without its constructor in Python.
_tuple: Final = tuple.__new__


def released(
    outbox: EffectLog, fields: Sequence[Any], session: bytes | None, refusal: int | None, kept_in: ChannelName
) -> list[Effect]:
    """Ends the outbox of an entry.

    Args:
        outbox: with the effects of its handlers.
        fields: reply channel, path, seq and events of the entry.
        session: of its connection, to be stored; empty deletes it, None leaves it as it is.
        refusal: the status with which a handshake is refused, whatever its handler said.
        kept_in: the channel as its track names it.
    """
    channel = outbox.channel
    if channel == RECEIVE:
        effects = outbox.release()
        if session is not None:  # nobody sees its place, and an echo stays one
            effects.insert(0, _tuple(SessionWrite, (outbox.interface, outbox.connection, session)))
        return effects
    if session is not None and outbox.reply is not None:
        outbox.write_session(session)
    if channel == CONNECT:
        return outbox.release_connect(fields[1] or "", refusal, split_track(kept_in)[1])
    if channel == DISCONNECT:
        return outbox.release_disconnect()
    effects = outbox.release()
    if session is not None and outbox.reply is None and fields[0] is not None:
        effects.append(SessionWrite(*split(fields[0]), session))
    return effects


def text_answer(status: int, text: str) -> Content:
    """A small HTTP answer of the worker's own. Without a content type a browser would not show it."""
    return {
        "status": status,
        "headers": [["content-type", "text/plain; charset=utf-8"]],
        "content": f"{text}\n".encode(),
    }

"""Symbols of the model to bytes of the protocol, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trunkline.protocol import codec, messages
from trunkline.protocol.layer import Publication
from trunkline.protocol.names import ChannelName, ConnectionId, GroupName, InterfaceId, reply_name

from .words import (
    JOBS,
    RECEIVE,
    Add,
    Broadcast,
    Effect,
    Event,
    GroupSay,
    Join,
    Letter,
    Operation,
    Part,
    Post,
    Register,
    Release,
    Say,
    Send,
    Unregister,
    Write,
    farewell,
)


def body_of(event: Event) -> bytes:
    """The encoded entry of an event."""
    if event.channel == JOBS:
        content: Any = {"name": event.connection, "plan": event.plan}
        return codec.encode_entry(messages.Entry(ChannelName(JOBS), None, None, 0, [content]))
    reply = reply_name(InterfaceId(event.interface), ConnectionId(event.connection))
    contents: list[Any] = [event.plan, *event.more] if event.channel == RECEIVE else [{"plan": event.plan}]
    return codec.encode_entry(messages.Entry(ChannelName(event.channel), reply, "/", event.seq, contents))


def event_of(channel: str, body: bytes) -> Event:
    """The event of an encoded entry."""
    entry = codec.decode_entry(ChannelName(channel), body)
    content, *more = entry.events
    if entry.reply is None:
        return Event(channel, "", content["name"], entry.seq, content["plan"])
    interface, _, connection = entry.reply.removeprefix("reply.").partition("!")
    plan = content if channel == RECEIVE else content["plan"]
    return Event(channel, interface, connection, entry.seq, plan, tuple(more))


def publication_of(event: Event, must: bool) -> Publication:
    """What an interface server hands to its layer."""
    return Publication(ChannelName(event.channel), body_of(event), event, must)


def chunk_of(operation: Operation) -> bytes:
    """An encoded mailbox operation."""
    if isinstance(operation, Release):
        verdict = [] if operation.accept is None else [{"accept": operation.accept}]
        payloads = [*verdict, *operation.texts]
        return codec.encode_release(ConnectionId(operation.connection), operation.seq, payloads)
    if isinstance(operation, Say):
        return codec.encode_send(ConnectionId(operation.connection), operation.seq, operation.text)
    if isinstance(operation, GroupSay):
        return codec.encode_group_send(GroupName(operation.group), operation.text)
    if isinstance(operation, Join):
        return codec.encode_group_add(GroupName(operation.group), ConnectionId(operation.connection))
    return codec.encode_group_discard(GroupName(operation.group), ConnectionId(operation.connection))


def operations_of(decoded: Sequence[Sequence[Any]]) -> tuple[Operation, ...]:
    """Operations as `codec.decode_mailbox` gives them."""
    found: list[Operation] = []
    for number, *fields in decoded:
        if number == codec.RELEASE:
            connection, seq, payloads = fields
            accept = payloads.pop(0)["accept"] if payloads and isinstance(payloads[0], dict) else None
            found.append(Release(connection, seq, accept, tuple(payloads)))
        else:
            kinds = {
                codec.SEND: Say, codec.GROUP_SEND: GroupSay, codec.GROUP_ADD: Join, codec.GROUP_DISCARD: Part,
            }  # fmt: skip
            found.append(kinds[number](*fields))
    return tuple(found)


def session_of(value: tuple[int, ...]) -> bytes:
    """An encoded session."""
    return " ".join(map(str, value)).encode()


def value_of(session: bytes) -> tuple[int, ...]:
    """What an encoded session holds."""
    return tuple(map(int, session.split()))


def effect_of(effect: Effect) -> messages.Effect:
    """An effect as a worker commits it."""
    if isinstance(effect, Post):
        return messages.Post(InterfaceId(effect.interface), chunk_of(effect.operation))
    if isinstance(effect, Add):
        group, interface, connection = effect
        return messages.GroupAdd(GroupName(group), InterfaceId(interface), chunk_of(Join(group, connection)))
    if isinstance(effect, Broadcast):
        return messages.GroupSend(GroupName(effect.group), chunk_of(GroupSay(effect.group, effect.text)))
    if isinstance(effect, Write):
        interface, connection, value = effect
        return messages.SessionWrite(InterfaceId(interface), ConnectionId(connection), session_of(value))
    if isinstance(effect, Send):
        return messages.ChannelSend(ChannelName(effect.event.channel), body_of(effect.event))
    if isinstance(effect, Register):
        gone = body_of(farewell(effect.interface, effect.connection))
        return messages.Register(InterfaceId(effect.interface), ConnectionId(effect.connection), gone)
    if isinstance(effect, Unregister):
        return messages.Unregister(InterfaceId(effect.interface), ConnectionId(effect.connection))
    assert isinstance(effect, Letter)
    return messages.DeadLetter(f"{effect.reason} {effect.event.channel} ".encode() + body_of(effect.event))

"""The way back: mailbox operations to the connections, requests and groups they are for."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from trunkline.protocol.codec import GROUP_ADD, GROUP_DISCARD, GROUP_SEND, MARK, RELEASE, SEND, TextReleases

from .connection import Connection
from .frames import Framed
from .states import CLOSED, CLOSING
from .text_releases import release_texts

if TYPE_CHECKING:
    from .tenure import Tenure

log: Final = logging.getLogger(__name__)


def dispatch(tenure: Tenure, operations: list[list[Any]], token: str, shard: int = 0) -> None:
    """Carries out operations in their order. What several of them write to one connection leaves in one write.

    Args:
        tenure: whose mailbox it is.
        operations: as `trunkline.protocol.codec.decode_mailbox` gives them.
        token: id of their mailbox entry.
        shard: whose mailbox it was in.
    """
    if type(operations) is TextReleases:
        release_texts(tenure, operations, token)
        return
    recipients = tenure.recipients
    now_s = perf_counter()
    joined = tenure.joining = [] if len(operations) > 1 else None
    try:
        for operation in operations:
            number = operation[0]
            try:
                if number == RELEASE:
                    recipient = recipients.get(operation[1])
                    if recipient is None:
                        tenure.drop("gone")
                    else:
                        recipient.released(operation[2], operation[3], now_s)
                elif number == GROUP_SEND:
                    _group_send(tenure, operation)
                elif number == SEND:
                    recipient = recipients.get(operation[1])
                    if recipient is None:
                        tenure.drop("gone")
                    else:
                        recipient.sent(operation[2], operation[3])
                else:
                    _membership(tenure, operation, token, shard)
            except Exception:
                # A fault of ours with one connection must not take the others' messages with it.
                tenure.drop("fault")
                log.exception("mailbox operation failed number=%s token=%s", number, token)
    finally:
        if joined is not None:
            tenure.joining = None
            for connection in joined:
                connection.flush()
        if tenure.groups.entry is not None:
            tenure.leave(tenure.groups.settle())


def _group_send(tenure: Tenure, operation: list[Any]) -> None:
    payload = operation[2]
    members = tenure.groups.members(operation[1])
    if type(payload) is str or type(payload) is bytes:
        framed = Framed(payload)
        if tenure.joining is None:
            _write_to_all(tenure, members, framed)
        else:
            for member in members:
                member.deliver(framed)
    else:
        for member in members:
            member.send(payload)


def _write_to_all(tenure: Tenure, members: Iterable[Connection], framed: Framed) -> None:
    """`Connection.deliver` to each, without a call for those that get the plain frame as it is; counts once."""
    frame = framed.plain()
    count = 0
    try:
        for member in members:
            put = member.put
            if put is not None and type(member) is Connection:
                count += 1
                put(frame)
            else:
                member.deliver(framed)
    finally:
        tenure.metrics.messages_out.value += count
        tenure.metrics.bytes_out.value += count * len(frame)


def _membership(tenure: Tenure, operation: list[Any], token: str, shard: int) -> None:
    if operation[0] == MARK:
        return  # about the operation behind it: that is for `watched`
    number, group, connection = operation
    member = tenure.recipients.get(connection)
    if not isinstance(member, Connection):
        member = None
    if number == GROUP_ADD:
        groups = tenure.groups
        groups.entry, groups.shard = token, shard
        if member is None or member.state is CLOSED or member.state is CLOSING:
            groups.vain(group, token, shard)
        elif not groups.add(group, member, token, shard):
            member.too_many_groups()
        elif tenure.joins is not None:
            tenure.joins.joined(group, member)
    elif number == GROUP_DISCARD and member is not None:
        tenure.leave(tenure.groups.discard(group, member))

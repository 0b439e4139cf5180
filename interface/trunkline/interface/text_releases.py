"""The short way of `mailbox` for what a busy one holds nearly always: releases with one text each, in one loop.

It does what `Connection.released` does for a connection that is open, read, and has nothing waiting. Whatever is
otherwise goes there. Nothing is joined: a connection has one entry in flight, so one release in a mailbox entry.
"""

from __future__ import annotations

import logging
from time import perf_counter
from typing import TYPE_CHECKING, Final

from trunkline.protocol.codec import TextReleases

from .connection import Connection
from .flow import IDLE
from .frames import SHORT, TEXT_HEADERS, message

if TYPE_CHECKING:
    from .tenure import Tenure

log: Final = logging.getLogger(__name__)


def release_texts(tenure: Tenure, releases: TextReleases, token: str) -> None:
    """Carries out releases in their order.

    Args:
        tenure: whose mailbox it is.
        releases: of one mailbox entry.
        token: its id.
    """
    find, now_s = tenure.recipients.get, perf_counter()
    waits_s: list[float] = []
    sent_bytes = 0
    for _, name, seq, payloads in releases:
        recipient = find(name)
        if recipient is None:
            tenure.drop("gone")
            continue
        try:
            if type(recipient) is Connection and recipient.put is not None and not recipient.held:
                flow = recipient.flow
                if seq == flow.in_flight and seq >= 0 and flow.queue is None:
                    flow.in_flight = IDLE  # as `Flow.release`, without its call
                    recipient.publication = None
                    waits_s.append(now_s - recipient.since_s)
                    data = payloads[0].encode()
                    size = len(data)
                    frame = TEXT_HEADERS[size] + data if size < SHORT else message(payloads[0])
                    sent_bytes += len(frame)
                    recipient.put(frame)
                    continue
            recipient.released(seq, payloads, now_s)
        except Exception:
            # A fault of ours with one connection must not take the others' messages with it.
            tenure.drop("fault")
            log.exception("release failed connection=%s token=%s", name, token)
    if waits_s:
        metrics = tenure.metrics
        metrics.messages_out.value += len(waits_s)
        metrics.bytes_out.value += sent_bytes
        metrics.release_seconds.observe_all(waits_s)

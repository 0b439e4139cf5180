"""A channel layer that does what a test says: it records what an interface publishes and answers as scripted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from trunkline.protocol.codec import RELEASE, decode_entry
from trunkline.protocol.layer import InterfaceReceiver, Publication
from trunkline.protocol.messages import Entry, LeaseInfo
from trunkline.protocol.names import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    REQUEST,
    ChannelName,
    ConnectionId,
    GroupName,
    split_reply_name,
)

Answer = Callable[[Entry, ConnectionId], list[list[Any]] | None]
"""Gives the mailbox operations for an entry; None leaves it in flight."""

ACCEPT: dict[str, Any] = {"accept": True}


def connection_of(entry: Entry) -> ConnectionId:
    """The connection an entry belongs to."""
    return split_reply_name(entry.reply)[1]


def echo(entry: Entry, connection: ConnectionId) -> list[list[Any]] | None:
    """Accepts every connection, echoes frames, and answers requests with their body."""
    payloads: list[Any] = []
    if entry.channel == CONNECT:
        payloads = [ACCEPT]
    elif entry.channel == RECEIVE:
        payloads = entry.events
    elif entry.channel == REQUEST:
        payloads = [{"status": 200, "headers": [], "content": entry.events[0]["body"], "more_content": False}]
    return [[RELEASE, connection, entry.seq, payloads]]


def silent(entry: Entry, connection: ConnectionId) -> list[list[Any]] | None:
    """Answers nothing."""
    return None


class FakeLayer:
    """An `InterfaceLayer`.

    Args:
        answer: what happens to an entry.

    Attributes:
        entries: everything published, in order.
        bodies: the same, encoded.
        left: groups that were left, with their tokens.
        joins: groups that were entered, each with its token and what says that it is done.
        slow: the test says by itself when a group is entered.
        full: channels that take nothing; a disconnect (``must``) is taken all the same.
        retired: the lease was given up.
        closed: it was closed.
    """

    def __init__(self, answer: Answer = echo) -> None:
        self.answer = answer
        self.entries: list[Entry] = []
        self.publications: list[Publication] = []
        self.left: list[tuple[GroupName, str]] = []
        self.joins: dict[GroupName, tuple[str, Callable[[], None]]] = {}
        self.slow = False
        self.full: set[ChannelName] = set()
        self.info: LeaseInfo | None = None
        self.receiver: InterfaceReceiver
        self.batches: list[int] = []
        self.retired = False
        self.closed = False
        self._changed = asyncio.Event()
        self._token = 0

    async def open(self, info: LeaseInfo, receiver: InterfaceReceiver) -> None:
        """Remembers who opened it."""
        self.info = info
        self.receiver = receiver

    def publish(self, publications: list[Publication]) -> int:
        """Takes a batch; what it is answered arrives in a later loop iteration."""
        loop = asyncio.get_running_loop()
        self.batches.append(len(publications))
        refused = [item for item in publications if item.channel in self.full and not item.must]
        operations: list[list[Any]] = []
        for publication in publications:
            if publication in refused:
                continue
            entry = decode_entry(publication.channel, publication.body)
            self.entries.append(entry)
            self.publications.append(publication)
            operations += self.answer(entry, connection_of(entry)) or []
        if refused:
            loop.call_soon(self.receiver.refused, refused)
        if operations:
            loop.call_soon(self.mail, *operations)
        self._changed.set()
        return len(self.batches)

    def mail(self, *operations: list[Any]) -> str:
        """Delivers one mailbox entry; gives its token."""
        self._token += 1
        token = f"{self._token}-0"
        self.receiver.mailbox([list(operation) for operation in operations], token)
        return token

    def release(self, entry: Entry, *payloads: Any) -> None:
        """Delivers the release of an entry."""
        self.mail([RELEASE, connection_of(entry), entry.seq, list(payloads)])

    def join_group(self, group: GroupName, token: str, done: Callable[[], None]) -> None:
        """Notes it; ``joins`` holds what tells that it is done, and does so at once unless ``slow``."""
        self.joins[group] = (token, done)
        self._changed.set()
        if not self.slow:
            asyncio.get_running_loop().call_soon(done)

    def leave_group(self, group: GroupName, token: str) -> None:
        """Notes it."""
        self.left.append((group, token))
        self._changed.set()

    async def retire(self) -> None:
        """Notes it."""
        self.retired = True

    async def close(self) -> None:
        """Notes it."""
        self.closed = True

    def of(self, channel: ChannelName) -> list[Entry]:
        """The entries of one channel."""
        return [entry for entry in self.entries if entry.channel == channel]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until something published or left makes a condition true."""
        async with asyncio.timeout(10):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def entry(self, channel: ChannelName, number: int = 0) -> Entry:
        """Waits for an entry of a channel; ``number`` counts from 0."""
        await self.until(lambda: len(self.of(channel)) > number)
        return self.of(channel)[number]


def disconnects(layer: FakeLayer) -> Sequence[tuple[ConnectionId, int]]:
    """Who was disconnected, with which code."""
    return [(connection_of(entry), entry.events[0]["code"]) for entry in layer.of(DISCONNECT)]

"""The standing of an interface server with Redis: what it is registered as, and whether that holds now."""

from __future__ import annotations

from ..layer import InterfaceReceiver
from ..messages import LeaseInfo


class Standing:
    """What the parts of the interface's side share.

    Attributes:
        info: told with the lease.
        receiver: the interface server.
        id: its id, empty before it was opened.
        epoch: of Redis' data as last registered, empty before the first registration.
        session: rises with every connection and recovery; answers of an older one are void.
        live: registered on this connection: calls may be sent.
        ended: retired, closed or fenced.
    """

    __slots__ = ("ended", "epoch", "id", "info", "live", "receiver", "session")

    info: LeaseInfo
    receiver: InterfaceReceiver

    def __init__(self) -> None:
        self.id = ""
        self.epoch = ""
        self.session = 0
        self.live = False
        self.ended = False

    def begin(self, info: LeaseInfo, receiver: InterfaceReceiver) -> None:
        """Takes on the identity of an interface server."""
        self.info, self.id, self.receiver = info, info.id, receiver

    def interrupt(self) -> None:
        """Nothing may be sent until it is registered again; answers on their way are void."""
        self.live = False
        self.session += 1

    def end(self) -> None:
        """Nothing may be sent ever again."""
        self.ended = True
        self.interrupt()

"""Which interface servers there are, and which connections each has accepted."""

from __future__ import annotations

from ..errors import LayerError
from ..messages import LeaseInfo
from ..names import ConnectionId, InterfaceId
from .mailbox import Mailbox


class Registered:
    """An interface server, from its opening until all that it left behind is cleared.

    Attributes:
        info: what it told about itself.
        mailbox: its mailbox.
        living: False from its end on.
        connections: each accepted connection with the encoded disconnect entry to publish should it be left.
        unfinished: entries it published that are not acknowledged yet.
    """

    __slots__ = ("connections", "info", "living", "mailbox", "unfinished")

    def __init__(self, info: LeaseInfo, mailbox: Mailbox) -> None:
        self.info = info
        self.mailbox = mailbox
        self.living = True
        self.connections: dict[ConnectionId, bytes] = {}
        self.unfinished = 0


class Registry:
    """Interface servers by id."""

    __slots__ = ("_interfaces",)

    def __init__(self) -> None:
        self._interfaces: dict[InterfaceId, Registered] = {}

    def open(self, info: LeaseInfo, mailbox: Mailbox) -> None:
        """Enters an interface server.

        Raises:
            LayerError: one with this id is here, or has left connections that are not cleared yet.
        """
        interface = InterfaceId(info.id)
        if interface in self._interfaces:
            raise LayerError(f"interface id {interface!r} is in use: take a fresh one of new_interface_id()")
        self._interfaces[interface] = Registered(info, mailbox)

    def get(self, interface: InterfaceId) -> Registered | None:
        """The interface server, living or gone and not cleared yet."""
        return self._interfaces.get(interface)

    def mailbox(self, interface: InterfaceId) -> Mailbox | None:
        """The mailbox of a living interface server, None if it is gone."""
        found = self._interfaces.get(interface)
        return found.mailbox if found is not None and found.living else None

    def living(self) -> dict[InterfaceId, Registered]:
        """Every living interface server."""
        return {interface: found for interface, found in self._interfaces.items() if found.living}

    def count_unfinished(self, interface: InterfaceId, change: int) -> None:
        """Entries of an interface server were published (positive) or acknowledged (negative)."""
        self._interfaces[interface].unfinished += change

    def retire(self, interface: InterfaceId) -> None:
        """The interface server is gone: nothing goes into its mailbox or comes out of it any more."""
        found = self._interfaces[interface]
        found.living = False
        found.mailbox.close()

    def pop_finished(self) -> list[Registered]:
        """Takes out the interface servers that are gone and whose entries have all been acknowledged."""
        finished = [
            interface
            for interface, found in self._interfaces.items()
            if not found.living and found.unfinished == 0
        ]
        return [self._interfaces.pop(interface) for interface in finished]

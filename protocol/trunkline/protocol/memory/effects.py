"""What a commit does to the bus: the effects of handled entries, applied in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..messages import (
    ChannelSend,
    DeadLetter,
    Effect,
    GroupAdd,
    GroupSend,
    Post,
    Register,
    SessionWrite,
    SetAside,
    Unregister,
)
from ..names import InterfaceId, WorkerId
from .mailbox import Mailbox

if TYPE_CHECKING:
    from .bus import MemoryBus


class _MailboxEntry(NamedTuple):
    mailbox: Mailbox
    token: str
    chunks: list[bytes]


class Application:
    """One commit or apply under way. What goes to one mailbox is posted as one entry, by `finish`.

    Nothing here raises and nothing awaits, so a commit is whole or not there, as a Redis script is.

    Args:
        bus: to what the effects are applied.
        worker: who commits.
    """

    __slots__ = ("_bus", "_entries", "_worker")

    def __init__(self, bus: MemoryBus, worker: WorkerId) -> None:
        self._bus = bus
        self._worker = worker
        self._entries: dict[InterfaceId, _MailboxEntry] = {}

    def apply(self, effects: Iterable[Effect]) -> None:
        """Applies effects in their order."""
        for effect in effects:
            _ACTIONS[type(effect)](self, effect)

    def finish(self) -> None:
        """Posts what was collected for the mailboxes."""
        for mailbox, token, chunks in self._entries.values():
            mailbox.post(token, chunks)

    def _append(self, interface: InterfaceId, chunk: bytes) -> str | None:
        """Adds to this commit's entry for a mailbox; its token, None if the interface is gone."""
        entry = self._entries.get(interface)
        if entry is None:
            mailbox = self._bus.registry.mailbox(interface)
            if mailbox is None:
                return None
            entry = self._entries[interface] = _MailboxEntry(mailbox, self._bus.new_id(), [])
        entry.chunks.append(chunk)
        return entry.token

    def _post(self, effect: Post) -> None:
        if self._append(effect.interface, effect.chunk) is None:
            self._bus.drops["post_to_gone_interface"] += 1

    def _group_add(self, effect: GroupAdd) -> None:
        token = self._append(effect.interface, effect.chunk)
        if token is None:
            self._bus.drops["group_add_of_gone_interface"] += 1
        else:
            self._bus.groups.add(effect.group, effect.interface, token)

    def _group_send(self, effect: GroupSend) -> None:
        for interface in self._bus.groups.interfaces(effect.group):
            self._append(interface, effect.chunk)

    def _session_write(self, effect: SessionWrite) -> None:
        found = self._bus.registry.get(effect.interface)
        registered = found is not None and effect.connection in found.connections
        self._bus.sessions.write(effect.connection, effect.value, registered, self._bus.clock())

    def _channel_send(self, effect: ChannelSend) -> None:
        if effect.delay_ms > 0:
            self._bus.send_later(effect.channel, effect.body, effect.delay_ms, self._worker)
        else:
            self._bus.send(effect.channel, effect.body, self._worker)

    def _set_aside(self, effect: SetAside) -> None:
        if not self._bus.set_aside(effect.channel, effect.body, effect.delay_ms):
            self._bus.dead_letters.add(effect.letter)

    def _register(self, effect: Register) -> None:
        found = self._bus.registry.get(effect.interface)
        if found is None:
            self._bus.drops["register_at_gone_interface"] += 1
            return
        found.connections[effect.connection] = effect.disconnect
        self._bus.sessions.keep(effect.connection)

    def _unregister(self, effect: Unregister) -> None:
        found = self._bus.registry.get(effect.interface)
        if found is not None:
            found.connections.pop(effect.connection, None)
        self._bus.sessions.forget(effect.connection)

    def _dead_letter(self, effect: DeadLetter) -> None:
        self._bus.dead_letters.add(effect.body)


_ACTIONS: dict[type[Any], Callable[[Application, Any], None]] = {
    Post: Application._post,
    GroupAdd: Application._group_add,
    GroupSend: Application._group_send,
    SessionWrite: Application._session_write,
    ChannelSend: Application._channel_send,
    SetAside: Application._set_aside,
    Register: Application._register,
    Unregister: Application._unregister,
    DeadLetter: Application._dead_letter,
}

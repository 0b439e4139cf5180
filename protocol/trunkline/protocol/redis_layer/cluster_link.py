"""The link to a node of a Redis Cluster: it speaks the scripts that are safe while a slot is moved (see `scripts`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from ..redis_layout import BySlot, Place
from .link import Link
from .scripts import GUARDED, SCRIPTS
from .wire import Answer, Callback

_HASHES = {SCRIPTS[name].sha: GUARDED[name].sha for name in SCRIPTS}
_PACKED = {plain.encode(): guarded.encode() for plain, guarded in _HASHES.items()}
_HEAD = b"$7\r\nEVALSHA\r\n$40\r\n"
"""Behind the number of arguments
(https://redis.io/docs/latest/develop/reference/protocol-spec/)."""


class ClusterLink(Link):
    """See `Link`. Whoever uses it names the plain scripts, as everywhere."""

    scripts = GUARDED

    def call(self, command: Sequence[str | bytes | int], callback: Callback) -> bool:
        """See `Link.call`."""
        return super().call(guarded(command), callback)

    def send(self, packed: bytes, callback: Callback) -> bool:
        """See `Link.send`."""
        return super().send(guarded_packed(packed), callback)

    async def ask(self, command: Sequence[str | bytes | int]) -> Answer:
        """See `Link.ask`."""
        return await super().ask(guarded(command))


def link_to(
    place: Place, name: str, on_up: Callable[[], Awaitable[None]], on_down: Callable[[], None]
) -> Link:
    """The link to a place; see `Link`."""
    return (ClusterLink if isinstance(place, BySlot) else Link)(place, name, on_up, on_down)


def guarded(command: Sequence[str | bytes | int]) -> Sequence[str | bytes | int]:
    """A command with the guarded script in the place of the plain one."""
    if command[0] != "EVALSHA":
        return command
    return (command[0], _HASHES.get(str(command[1]), command[1]), *command[2:])


def guarded_packed(packed: bytes) -> bytes:
    """The same of a command that was packed before."""
    start = packed.find(_HEAD, 0, 32)
    if start < 0:
        return packed
    start += len(_HEAD)
    sha = packed[start : start + 40]
    return packed[:start] + _PACKED.get(sha, sha) + packed[start + 40 :]

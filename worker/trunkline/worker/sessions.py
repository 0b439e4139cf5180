"""Channel sessions: a small dict that follows a connection from handler to handler.

`channel_session` marks a handler and does not wrap it, so signatures, tracebacks and `async def` stay what they are.
The dispatcher reads the session of a marked handler's connection before the batch, `HeldSession` decodes it when it is
first touched, and writes it with the handler's other effects if its bytes have changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, overload

from mypy_extensions import mypyc_attr

from trunkline.protocol.codec import decode_session, encode_session
from trunkline.protocol.errors import MessageError, SessionError

F = TypeVar("F", bound=Callable[..., Any])

MARK: Final = "channel_session"
"""The attribute that says so: of a function (set by the decorator) or of a consumer class (set by its author)."""


def channel_session(handler: F) -> F:
    """Gives a handler ``message.channel_session``. For functions, `async def` functions and methods.

    Returns:
        The very same function, marked.

    Raises:
        TypeError: what is decorated is no function.
    """
    function = getattr(handler, "__func__", handler)
    try:
        setattr(function, MARK, True)
    except (AttributeError, TypeError):
        raise TypeError(
            f"@channel_session on {handler!r}: expected a function or method written in Python"
        ) from None
    return handler


def wants_session(handler: object) -> bool:
    """Whether a handler asked for a channel session."""
    return getattr(handler, MARK, False) is True


@overload
def enforce_ordering(func: F, slight: bool = False) -> F: ...
@overload
def enforce_ordering(func: None = None, slight: bool = False) -> Callable[[F], F]: ...
def enforce_ordering(func: F | None = None, slight: bool = False) -> F | Callable[[F], F]:
    """Does nothing: the events of a connection are always handled in their order, one at a time.

    It is here so that handlers written for Channels 1.x import as they are, as ``@enforce_ordering`` and as
    ``@enforce_ordering(slight=True)``.
    """
    return _unchanged if func is None else func


def _unchanged(func: F) -> F:
    return func


@mypyc_attr(native_class=False)
class ChannelSession(dict[str, Any]):
    """The dict a handler sees as ``message.channel_session``.

    Keys are str; values are what msgpack holds (str, bytes, int, float, bool, None, list, dict). Nested values may be
    changed in place: whether anything changed is found by comparing encoded bytes.

    Attributes:
        raw: the encoded session it was read from; empty for a new one.
    """

    # No constructor of its own: one in Python would cost half of what decoding does, for every message.
    __slots__ = ("raw",)

    raw: bytes

    @property
    def modified(self) -> bool:
        """Whether the session holds something else than it was read with. Encodes it, so ask once.

        Raises:
            SessionError: it holds what cannot be stored.
        """
        return encoded(self) != self.raw


# Functions, which compiled code calls without looking them up: a class of dict's cannot be compiled.
def read_session(raw: bytes) -> ChannelSession:
    """Decodes a session; no bytes are a new one.

    Raises:
        CodecError: ``raw`` is no session.
    """
    session = ChannelSession(decode_session(raw))
    session.raw = raw
    return session


def encoded(session: ChannelSession) -> bytes:
    """A session as it is stored; empty if there is nothing in it.

    Raises:
        SessionError: it holds what cannot be stored; the text names the key.
    """
    if not session:
        return b""
    try:
        return encode_session({**session})
    except MessageError as error:
        raise SessionError(str(error)) from error


class HeldSession:
    """The session of one connection while a worker handles an entry of it.

    Args:
        raw: the encoded session as the layer read it.
        max_bytes: how large it may become, in encoded bytes.
        writable: it is on the shard of the entry, whose commit can write it.
    """

    __slots__ = ("_first", "_raw", "_session", "_writable", "max_bytes")

    def __init__(self, raw: bytes, max_bytes: int, writable: bool = True) -> None:
        self._writable = writable
        self._first = self._raw = raw
        self._session: ChannelSession | None = None
        self.max_bytes = max_bytes

    @property
    def session(self) -> ChannelSession:
        """The session, decoded when it is first asked for.

        Raises:
            CodecError: what the layer holds is no session.
        """
        session = self._session
        if session is None:
            session = self._session = read_session(self._raw)
        return session

    @property
    def raw(self) -> bytes:
        """The encoded session before the handler at work, for its dead letter."""
        return self._raw

    def keep(self) -> None:
        """A handler has ended: what it did to the session counts. Costs nothing if it did not touch it.

        Raises:
            SessionError: the session is too large, or holds what cannot be stored, or it was changed and is that of a
                connection on another shard. Nothing is kept then.
        """
        if self._session is None:
            return
        session, self._session = self._session, None
        raw = encoded(session)
        if raw != self._raw and not self._writable:
            raise SessionError(
                "channel_session of a connection on another shard than this message: it can be read here and not "
                "changed; send the message from a handler of that connection, or change it there (docs/shards.md)"
            )
        if len(raw) > self.max_bytes:
            keys = ", ".join(map(repr, list(session)[:20]))
            raise SessionError(
                f"channel_session has {len(raw)} bytes under the keys {keys}: expected at most {self.max_bytes}; "
                "keep large things elsewhere and their ids here, or raise --session-max-bytes"
            )
        self._raw = raw

    def drop(self) -> None:
        """A handler has raised: what it did to the session does not count."""
        self._session = None

    def write(self) -> bytes | None:
        """What to store at the end of the entry, None if nothing changed. Empty bytes delete the session."""
        return None if self._raw == self._first else self._raw

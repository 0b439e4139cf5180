"""Every error Trunkline raises.

::

    TrunklineError
    ├── ConfigError          a setting, flag, route or file the user must mend (exit code USAGE)
    │   └── RoutingError     every mistake of a routing module, all at once
    ├── MessageError         a handler tried to send something that is no message
    ├── InvalidName          a channel, group or reply channel name that is not allowed
    ├── CodecError           bytes that are not what the wire contract says (carries the bytes)
    ├── LayerError           the channel layer cannot do what was asked
    │   ├── LayerUnavailable Redis is away; the caller may try again
    │   └── LayerClosed      the layer was closed
    └── SessionError         a channel session holds what cannot be stored

    ControlFlow              raised by handlers to say something, never a failure
    ├── DenyConnection       refuse this handshake
    └── ConsumerFinished     end this handler now, keep its effects
"""

from __future__ import annotations


class TrunklineError(Exception):
    """The root of all errors of this package."""


class ConfigError(TrunklineError):
    """Something the user wrote must be mended before anything can start."""


class RoutingError(ConfigError):
    """Every mistake found in a routing module, one a line."""


class InvalidName(TrunklineError, ValueError):
    """A channel, group or reply channel name breaks the rules of ``names.py``."""


class MessageError(TrunklineError, ValueError):
    """A handler sent something that is no message; the text says which key and what was expected."""


class SessionError(TrunklineError, ValueError):
    """A channel session holds a value that cannot be stored, or has grown over its bound."""


class CodecError(TrunklineError, ValueError):
    """Bytes that do not follow the wire contract.

    Attributes:
        raw: the bytes as they were read, so that nothing is lost and a person can look.
        expected: what the contract wants in their place.
    """

    def __init__(self, expected: str, raw: bytes) -> None:
        self.expected = expected
        self.raw = raw
        shown = raw[:48].hex() + ("…" if len(raw) > 48 else "")
        super().__init__(f"expected {expected}, got {len(raw)} bytes: {shown}")


class LayerError(TrunklineError):
    """The channel layer cannot do what was asked."""


class LayerUnavailable(LayerError):
    """Redis does not answer now; nothing was decided, the caller may try again."""


class LayerClosed(LayerError):
    """The layer has been closed; this is the end of it."""


class ControlFlow(Exception):
    """Base of what handlers raise to say something. Not a failure, never a dead letter."""


class DenyConnection(ControlFlow):
    """Refuse the handshake of the connection whose connect handler raises this.

    Args:
        status: HTTP status of the refusal, 400 to 599.
    """

    def __init__(self, status: int = 403) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"DenyConnection(status={status}): expected 400 to 599")
        self.status = status
        super().__init__(f"connection refused with {status}")


class ConsumerFinished(ControlFlow):
    """End this handler now and keep its effects (the name is that of Channels 1.x)."""

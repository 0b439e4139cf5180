"""What a message, session or dead letter may hold, and its bytes: bounds, packing, unpacking, and why not.

What packs here unpacks again to the same value; a tuple comes back as a list, a bytearray as bytes, and a
subclass of a built-in type as that type. msgpack alone would take more: maps whose keys no decoder can hash,
its own extension types, nesting that only a decoder refuses.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

import msgpack

from .errors import CodecError, MessageError

VERSION: Final = 1
VERSION_BYTE: Final = bytes((VERSION,))

MAX_BODY_BYTES: Final = 16 * 1024 * 1024
"""No entry, session or lease is larger; the tiers' own settings are far below."""
MAX_DEPTH: Final = 16
"""Maps and arrays inside each other."""
MAX_ITEMS: Final = 65_536
"""Items in one array or map."""

PACK_ERRORS: Final = (TypeError, ValueError, OverflowError, UnicodeEncodeError)
"""What msgpack raises for a value it cannot hold."""
UNPACK_ERRORS: Final = (ValueError, TypeError, msgpack.UnpackException, RecursionError)
"""What msgpack raises for bytes that are none of its own, and `TypeError` for a map key that cannot be hashed."""

_LEAVES: Final[frozenset[Any]] = frozenset((str, bytes, float, bool, type(None)))
# To explain a failure, strings are looked at as well; before packing that is the packer's own work.
_EXPLAINED: Final = _LEAVES - {str}
# Values of a plain map. Its ints are left to msgpack: it unpacks none that do not fit, and packs none.
_PLAIN_VALUES: Final[frozenset[Any]] = _LEAVES | {int}


def fault(value: Any, depth: int = 0, leaves: frozenset[Any] = _LEAVES) -> str | None:
    """Where and why a value cannot be packed, or should not have been: a path and a clause. None if all is well.

    Args:
        value: what somebody wants to send or store, or what was unpacked.
        depth: how deep it stands.
        leaves: types that need no look.
    """
    kind = type(value)
    if kind in leaves:
        return None
    if kind is dict:
        return _map_fault(value, depth, leaves)
    if kind is list or kind is tuple:
        return _array_fault(value, depth, leaves)
    return _other_fault(value, depth, leaves)


def _map_fault(value: dict[Any, Any], depth: int, leaves: frozenset[Any]) -> str | None:
    if depth >= MAX_DEPTH:
        return f" is nested deeper than {MAX_DEPTH} levels"
    if len(value) > MAX_ITEMS:
        return f" has {len(value)} keys; expected at most {MAX_ITEMS}"
    strict = str not in leaves
    for key, item in value.items():
        if type(key) is not str or strict:
            if not isinstance(key, (str, bytes, int)):
                return f" has the key {key!r:.80}; expected str, bytes or int keys"
            found = _other_fault(key, depth, leaves)
            if found is not None:
                return f" has a key that{found}"
        if type(item) not in leaves:
            found = fault(item, depth + 1, leaves)
            if found is not None:
                return f"[{key!r:.80}]{found}"
    return None


def _array_fault(value: list[Any] | tuple[Any, ...], depth: int, leaves: frozenset[Any]) -> str | None:
    if depth >= MAX_DEPTH:
        return f" is nested deeper than {MAX_DEPTH} levels"
    if len(value) > MAX_ITEMS:
        return f" has {len(value)} items; expected at most {MAX_ITEMS}"
    for index, item in enumerate(value):
        if type(item) not in leaves:
            found = fault(item, depth + 1, leaves)
            if found is not None:
                return f"[{index}]{found}"
    return None


def _other_fault(value: Any, depth: int, leaves: frozenset[Any]) -> str | None:
    if isinstance(value, int):
        # Its digits are not shown: Python refuses to print integers of thousands of digits.
        return (
            None
            if -(2**63) <= value < 2**64
            else f" is an integer of {value.bit_length()} bits; expected at most 64"
        )
    if isinstance(value, str):
        return _str_fault(value)
    if isinstance(value, (bytes, bytearray, float)):
        return None
    if isinstance(value, dict):
        return _map_fault(value, depth, leaves)
    # msgpack's extension type is a named tuple, and would be packed as what it is.
    if isinstance(value, (list, tuple)) and not isinstance(value, msgpack.ExtType):
        return _array_fault(value, depth, leaves)
    return f" is a {type(value).__name__}; expected str, bytes, int, float, bool, None, list or dict"


def _str_fault(value: str) -> str | None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        return f" is the str {value!r:.80} whose character {error.start} is a lone surrogate, which UTF-8 cannot hold"
    return None


def content_fault(value: Any) -> str | None:
    """`fault` of a `Content`: a map whose own keys are all str."""
    if not isinstance(value, dict):
        return f" is a {type(value).__name__}; expected a dict"
    for key in value:
        if type(key) is not str and not isinstance(key, str):
            return f" has the key {key!r:.80}; expected str keys"
    return fault(value)


def is_plain(value: Any) -> bool:
    """Whether a value is a map of str to single values and thus needs no `content_fault`, if it was unpacked or the
    packer's refusals are explained. Most sessions are: asking costs a fraction of looking for faults."""
    if type(value) is not dict or len(value) > MAX_ITEMS:
        return False
    for key, item in value.items():  # noqa: SIM110 (a generator would cost more than the looking)
        if type(key) is not str or type(item) not in _PLAIN_VALUES:
            return False
    return True


def explain(value: Any, where: str = "") -> str | None:
    """Names the first part of a value that cannot be packed, lone surrogates too, or None if all of it can be.

    Args:
        value: what somebody wants to send or store.
        where: what to call it in the text.
    """
    found = fault(value, leaves=_EXPLAINED)
    return None if found is None else where + found


# A packer for each thread: handlers run in threads, and packing calls back into Python for subclasses of
# dict. No class of our own: mypyc would give one a field that all threads share.
_local: Final = threading.local()


# For frames and plain maps: packing str, bytes, lists of them and single values calls no Python code, so no other
# thread can come between.
frame_packer: Final = msgpack.Packer(autoreset=True)
pack_frames: Final = frame_packer.pack


def pack(value: Any, named: Mapping[str, Any]) -> bytes:
    """Packs a value whose parts were checked with `fault`, without a version byte.

    Args:
        value: what to pack.
        named: its parts that others wrote, by what to call them in the error.

    Raises:
        MessageError: it holds what msgpack cannot.
    """
    packer = getattr(_local, "packer", None)
    if packer is None:
        packer = _local.packer = msgpack.Packer(autoreset=True)
    try:
        packed: bytes = packer.pack(value)
    except PACK_ERRORS as error:
        raise unpackable(packer, error, named) from error
    return packed


def unpackable(packer: Any, error: Exception, named: Mapping[str, Any]) -> MessageError:
    """Makes the error for what a packer refused, and resets the packer; arguments as for `pack`."""
    packer.reset()  # Older versions of msgpack leave half a value behind.
    for what, part in named.items():
        found = explain(part, what)
        if found is not None:
            return MessageError(found)
    return MessageError(f"{', '.join(named)}: {error}")


def versioned(body: bytes, what: str) -> bytes:
    """Puts the version byte before a packed body.

    Raises:
        MessageError: it is larger than `MAX_BODY_BYTES`, so nobody would read it.
    """
    if len(body) >= MAX_BODY_BYTES:
        raise MessageError(f"{what} has {len(body)} bytes when packed; expected less than {MAX_BODY_BYTES}")
    return VERSION_BYTE + body


def unpack(raw: bytes, expected: str, max_bytes: int = MAX_BODY_BYTES) -> Any:
    """Takes the version byte off and unpacks the rest.

    Args:
        raw: the bytes.
        expected: what they should be, for the error.
        max_bytes: how many they may be.

    Raises:
        CodecError: they are something else.
    """
    if raw[:1] != VERSION_BYTE:
        raise CodecError(f"{expected} (first byte {VERSION}, the version)", raw)
    if len(raw) > max_bytes:
        raise CodecError(f"{expected} of at most {max_bytes} bytes", raw)
    try:
        return msgpack.unpackb(raw[1:], strict_map_key=False, max_array_len=MAX_ITEMS, max_map_len=MAX_ITEMS)
    except UNPACK_ERRORS as error:
        raise CodecError(f"{expected} ({error or type(error).__name__})", raw) from error

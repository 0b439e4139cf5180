"""What is stored besides messages and sessions: leases, loads, dead letters."""

from __future__ import annotations

from typing import Any, NamedTuple

from .errors import CodecError
from .messages import DeadLetterRecord, LeaseInfo
from .process.desired import Load
from .values import (
    VERSION_BYTE,
    pack,
    unpack,
    versioned,
)


def encode_lease(info: LeaseInfo) -> bytes:
    """Encodes what a process tells about itself.

    Raises:
        MessageError: a host name or a detail that is no Unicode.
    """
    return versioned(pack(tuple(info), {"lease": info}), "lease")


def decode_lease(raw: bytes) -> LeaseInfo:
    """Decodes what a process tells about itself.

    Raises:
        CodecError: it is no lease.
    """
    return LeaseInfo(*_record(unpack(raw, "a lease"), _LEASE, "a lease", raw))


MAX_DEAD_LETTER_BYTES = 512 * 1024 * 1024
"""Redis' own bound of a value: a dead letter keeps what was read, also garbage larger than any entry."""


def encode_dead_letter(record: DeadLetterRecord) -> bytes:
    """Encodes a dead letter; its id is the store's and not part of it. It takes every record.

    A lone surrogate, which a traceback may quote, becomes its escape: a dead letter must not fail for its
    text.
    """
    values = [
        value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for value in record[1:]
    ]
    return VERSION_BYTE + pack(values, {"dead letter": values})


def decode_dead_letter(letter_id: str, raw: bytes) -> DeadLetterRecord:
    """Decodes a dead letter.

    Raises:
        CodecError: it is none.
    """
    value = unpack(raw, "a dead letter", MAX_DEAD_LETTER_BYTES)
    return DeadLetterRecord(letter_id, *_record(value, _DEAD_LETTER, "a dead letter", raw))


def encode_load(load: Load) -> bytes:
    """Encodes what a process says of its load."""
    return versioned(pack(tuple(load), {"load": load}), "load")


def decode_load(raw: bytes) -> Load:
    """Decodes what a process says of its load.

    Raises:
        CodecError: it is none.
    """
    return Load(*_record(unpack(raw, "a load"), _LOAD, "a load", raw))


class _Fields(NamedTuple):
    """The fields of a record.

    Attributes:
        kinds: type of each.
        tail: what the last ones are where they are missing.
    """

    kinds: list[type]
    tail: list[Any]

    @classmethod
    def of(cls, annotations: dict[str, Any], defaults: dict[str, Any], skip: int = 0) -> _Fields:
        # Annotations are strings here ("from __future__ import annotations"); every NewType among them is a str.
        kinds: dict[str, type] = {"int": int, "float": float, "bytes": bytes}
        found = [kinds.get(getattr(note, "__forward_arg__", note), str) for note in annotations.values()]
        return cls(found[skip:], list(defaults.values()))


_LEASE = _Fields.of(LeaseInfo.__annotations__, LeaseInfo._field_defaults)
_LOAD = _Fields.of(Load.__annotations__, Load._field_defaults)
_DEAD_LETTER = _Fields.of(DeadLetterRecord.__annotations__, DeadLetterRecord._field_defaults, skip=1)


def _record(value: Any, fields: _Fields, what: str, raw: bytes) -> list[Any]:
    kinds, tail = fields
    required = len(kinds) - len(tail)
    if type(value) is list and len(value) >= required:
        # Records grow at their end, and two versions may share a Redis: what an older one did not write is empty, and
        # what a newer one wrote besides is left out.
        value = (value + tail[len(value) - required :])[: len(kinds)]
        # Other languages pack the float 1.0 as the integer 1.
        value = [
            float(item) if kind is float and type(item) is int else item
            for kind, item in zip(kinds, value, strict=True)
        ]
    if type(value) is not list or [type(item) for item in value] != kinds:
        raise CodecError(f"{what}: [{', '.join(kind.__name__ for kind in kinds)}]", raw)
    return value

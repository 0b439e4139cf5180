"""Channel sessions as they are stored. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import CodecError, MessageError
from .values import (
    MAX_BODY_BYTES,
    PACK_ERRORS,
    VERSION_BYTE,
    content_fault,
    frame_packer,
    is_plain,
    pack,
    pack_frames,
    unpack,
    unpackable,
    versioned,
)


def encode_session(session: Mapping[str, Any]) -> bytes:
    """Encodes a channel session.

    Raises:
        MessageError: a value is of a type that cannot be stored; the text names the key.
    """
    if is_plain(session):
        try:
            body: bytes = pack_frames(session)
        except PACK_ERRORS as error:
            raise unpackable(frame_packer, error, {"channel_session": session}) from error
        return VERSION_BYTE + body if len(body) < MAX_BODY_BYTES else versioned(body, "channel_session")
    found = content_fault(session)
    if found is not None:
        raise MessageError("channel_session" + found)
    return versioned(pack(session, {"channel_session": session}), "channel_session")


def decode_session(raw: bytes) -> dict[str, Any]:
    """Decodes a channel session; no bytes are an empty one.

    Raises:
        CodecError: it is no session.
    """
    if not raw:
        return {}
    value = unpack(raw, "a session")
    if not is_plain(value):
        found = content_fault(value)
        if found is not None:
            raise CodecError(f"a session: a map with str keys; it{found}", raw)
    session: dict[str, Any] = value
    return session

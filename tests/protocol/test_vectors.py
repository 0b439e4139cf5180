"""The test vectors for other languages, read as another language would: each in both directions where it has two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trunkline.protocol import codec
from trunkline.protocol.errors import CodecError
from trunkline.protocol.marks import Marks, Stamps, marks_of
from trunkline.protocol.messages import DeadLetterRecord, Entry, LeaseInfo

FILE = Path(__file__).parents[2] / "protocol" / "vectors.json"
VECTORS: list[dict[str, Any]] = json.loads(FILE.read_text())["vectors"]
VALID = [vector for vector in VECTORS if "value" in vector]
INVALID = [vector for vector in VECTORS if "invalid" in vector]
KINDS = {"entry", "mailbox", "session", "lease", "dead_letter"}


def untagged(value: Any) -> Any:
    """A value of the file as the value it stands for."""
    if isinstance(value, list):
        return [untagged(item) for item in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"$bytes": text}:
            return bytes.fromhex(text)
        case {"$float": text}:
            return float(text)
        case {"$int": text}:
            return int(text)
        case {"$map": pairs}:
            return {untagged(key): untagged(item) for key, item in pairs}
    return {key: untagged(item) for key, item in value.items()}


def decode(vector: dict[str, Any]) -> Any:
    raw = bytes.fromhex(vector["hex"])
    match vector["kind"]:
        case "entry":
            decoded = codec.decode_entry(vector["channel"], raw)
            entry, marks = decoded._asdict(), marks_of(decoded)
            if marks is not None:
                entry["marks"] = marks.as_map()
            assert entry.pop("channel") == vector["channel"]
            if entry["tries"] == 0:  # as most, where the bytes do not say it either
                del entry["tries"]
            return entry
        case "mailbox":
            return codec.decode_mailbox(raw)
        case "session":
            return codec.decode_session(raw)
        case "lease":
            return codec.decode_lease(raw)._asdict()
    letter = codec.decode_dead_letter("1-0", raw)._asdict()
    assert letter.pop("id") == "1-0"
    return letter


def encode(vector: dict[str, Any]) -> bytes:
    value = untagged(vector["value"])
    match vector["kind"]:
        case "entry":
            marks = value.pop("marks", None)
            body = codec.encode_entry(Entry(channel=vector["channel"], **value))
            return body if marks is None else codec.mark_entry(body, Marks.of(marks))
        case "mailbox":
            return codec.encode_mailbox([encode_operation(*operation) for operation in value])
        case "session":
            return codec.encode_session(value)
        case "lease":
            return codec.encode_lease(LeaseInfo(**value))
    return codec.encode_dead_letter(DeadLetterRecord(id="1-0", **value))


def encode_operation(number: int, *rest: Any) -> bytes:
    encoders: dict[int, Any] = {
        codec.RELEASE: codec.encode_release,
        codec.SEND: codec.encode_send,
        codec.GROUP_SEND: codec.encode_group_send,
        codec.GROUP_ADD: codec.encode_group_add,
        codec.GROUP_DISCARD: codec.encode_group_discard,
        codec.MARK: encode_mark,
    }
    encoded: bytes = encoders[number](*rest)
    return encoded


def encode_mark(about: str, seq: int, marks: dict[str, Any]) -> bytes:
    return codec.encode_mark(about, seq, Marks.of(marks), Stamps.of(marks.get("stamps")))


@pytest.mark.parametrize("vector", VALID, ids=lambda vector: vector["name"])
def test_the_bytes_decode_to_the_value(vector: dict[str, Any]) -> None:
    # repr: NaN is NaN, 1 is not 1.0 and True is not 1
    assert repr(decode(vector)) == repr(untagged(vector["value"]))


@pytest.mark.parametrize(
    "vector", [vector for vector in VALID if not vector.get("decode_only")], ids=lambda vector: vector["name"]
)
def test_the_value_encodes_to_the_bytes(vector: dict[str, Any]) -> None:
    assert encode(vector).hex() == vector["hex"]


@pytest.mark.parametrize("vector", INVALID, ids=lambda vector: vector["name"])
def test_invalid_bytes_are_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(CodecError) as caught:
        decode(vector)
    assert caught.value.raw.hex() == vector["hex"]


def test_every_kind_has_valid_and_invalid_vectors_and_every_vector_its_own_name() -> None:
    assert {vector["kind"] for vector in VALID} == {vector["kind"] for vector in INVALID} == KINDS
    assert len({vector["name"] for vector in VECTORS}) == len(VECTORS) == len(VALID) + len(INVALID)

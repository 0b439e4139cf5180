"""Commands as they go over the wire, and those of which most is the same each time: that is packed once. Pure.

`hiredis.pack_command` writes the length of each argument by `sprintf`, some 700 instructions; where there are many,
lengths are looked up here. Where messages come singly, the dozen arguments that a publish or a commit always has would
be a tenth of what they cost (https://redis.io/docs/latest/develop/reference/protocol-spec/).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, cast

import hiredis

KEPT: Final = 1024
"""Lengths below have their line kept; most messages are shorter."""

_LENGTHS: Final = [b"$%d\r\n" % length for length in range(KEPT)]
_STARTS: Final = [b"$%d" % length for length in range(KEPT)]
END: Final = b"\r\n"
"""Behind each argument."""
FEW: Final = 16
"""Arguments below are left to hiredis: what their lengths cost it is less than what a loop costs CPython."""

# Its stub declares a tuple of one; a command has many.
_pack: Final = cast("Callable[[tuple[str | bytes | int, ...]], bytes]", hiredis.pack_command)


def length_line(length: int) -> bytes:
    """What stands before an argument of so many bytes."""
    return _LENGTHS[length] if length < KEPT else b"$%d\r\n" % length


def length_starts(some: Sequence[bytes]) -> list[bytes]:
    """`length_line` of each of several arguments, without its end."""
    return [_STARTS[length] if length < KEPT else b"$%d" % length for length in map(len, some)]


def arguments(some: Sequence[str | bytes | int]) -> bytes:
    """Arguments without the line before the first, which says how many there are."""
    if len(some) < FEW:
        packed = _pack(tuple(some))
        return packed[packed.index(b"\n") + 1 :]
    words = [
        word.encode() if type(word) is str else word if type(word) is bytes else str(word).encode()
        for word in some
    ]
    parts = [b""] * (2 * len(words) + 1)
    parts[:-1:2] = length_starts(words)
    parts[1::2] = words
    return END.join(parts)


def pack(command: Sequence[str | bytes | int]) -> bytes:
    """A whole command."""
    if len(command) < FEW:
        return _pack(tuple(command))
    return b"*%d\r\n%b" % (len(command), arguments(command))


class Head:
    """The first arguments of a command, which are the same each time.

    Args:
        first: they, the command's name included.
    """

    __slots__ = ("_count", "_packed")

    def __init__(self, first: Sequence[str | bytes | int]) -> None:
        self._count = len(first)
        self._packed = arguments(first)

    def followed_by(self, rest: Sequence[str | bytes | int]) -> bytes:
        """The whole command. It has as many arguments behind the head as ``rest`` has, one at least."""
        return self.before(len(rest)) + arguments(rest)

    def before(self, count: int) -> bytes:
        """The command as far as the head goes, of so many arguments more."""
        return b"*%d\r\n%b" % (self._count + count, self._packed)

"""Byte codes are counted for the function they belong to, and for those that have called it."""

from __future__ import annotations

import sys

from tests.instructions.profile import ByteCodes


def leaf(number: int) -> int:
    return number + 1


def root() -> int:
    return leaf(1) + leaf(2)


def test_a_function_has_its_own_byte_codes_and_those_of_what_it_calls() -> None:
    counts: list[ByteCodes] = []
    for _ in range(2):
        counts.append(ByteCodes())
        before = sys.gettrace()
        sys.settrace(counts[-1].trace)
        root()
        sys.settrace(before)
    for found in counts:
        outer, inner = root.__code__, leaf.__code__
        assert (found.calls[outer], found.calls[inner]) == (1, 2)
        assert found.whole[inner] == found.own[inner] > 0
        assert found.whole[outer] == found.own[outer] + found.own[inner]
    assert counts[0].own == counts[1].own

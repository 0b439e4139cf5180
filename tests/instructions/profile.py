"""``python -m tests.instructions.profile echo``: the functions of a path by the byte codes they run for a message.

Byte codes do not flicker either, so what a change takes away is seen at once; what C code does inside of one is not.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

from .clock import replace_clocks
from .count import TIERS
from .lap import HotPath
from .scene import paths_of

LINES: Final = 25


class ByteCodes:
    """Counts byte codes while it is the trace function.

    Attributes:
        own: of each function by itself.
        whole: with those of what it calls.
        calls: of each function.
    """

    def __init__(self) -> None:
        self.own: Counter[CodeType] = Counter()
        self.whole: Counter[CodeType] = Counter()
        self.calls: Counter[CodeType] = Counter()

    def trace(self, frame: FrameType, event: str, argument: object) -> Any:
        """See `sys.settrace`."""
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "call":
            self.calls[frame.f_code] += 1
        elif event == "opcode":
            self.own[frame.f_code] += 1
            self.whole.update(_stack(frame))
        return self.trace


def _stack(frame: FrameType | None) -> set[CodeType]:
    """The functions at work, each once however often it calls itself."""
    found: set[CodeType] = set()
    while frame is not None:
        found.add(frame.f_code)
        frame = frame.f_back
    return found


async def _find(name: str) -> HotPath:
    known: list[str] = []
    for tier in TIERS:
        for path in await paths_of(tier):
            known.append(path.name)
            if path.name == name:
                return path
    raise SystemExit(f"no path {name!r}: expected {', '.join(known)}")


def _counted(path: HotPath) -> ByteCodes:
    found = ByteCodes()
    for counts in (False, True):  # the first is to warm up
        lap = path.lap(path.messages)
        if counts:
            sys.settrace(found.trace)
        lap.work()
        sys.settrace(None)
        lap.check()
    return found


async def _profile(name: str) -> None:
    path = await _find(name)
    found = _counted(path)
    print(f"{found.own.total() / path.messages:,.0f} byte codes for a message")
    print(f"{'own':>9} {'whole':>9} {'calls':>8}  function")
    for code, own in found.own.most_common(LINES):
        numbers = [number / path.messages for number in (own, found.whole[code], found.calls[code])]
        place = f"{Path(code.co_filename).name}:{code.co_firstlineno} {code.co_name}"
        print(f"{numbers[0]:>9,.1f} {numbers[1]:>9,.1f} {numbers[2]:>8,.2f}  {place}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m tests.instructions.profile PATH")
    replace_clocks()
    asyncio.run(_profile(sys.argv[1]))

"""More clients than the workers can serve, in a process of their own: ``python -m tests.overload.crowd ADDRESS PATH
CONNECTIONS PACE_S``. They send and never wait, and are gone without a word when the process is killed."""

from __future__ import annotations

import asyncio
import sys

from tests.support.load import Load


async def main(address: str, path: str, connections: int, pace_s: float) -> None:
    """Sends until it is killed."""
    async with Load([address], connections, pace_s=pace_s, path=path, window=10**6):
        print("everybody sends", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))

"""Connections that stand for minutes: many silent ones, and some that chat, on several interface servers and Redises.

``python -m benchmarks.standing`` is no comparison but a proof: every message of a chat has a number, each member of
its room hears it once and in order, no connection ends, and what the processes take of memory and CPU is told each
minute. It ends with 1 if anything of that does not hold.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Annotated, Final

import uvloop
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from trunkline.protocol.errors import ConfigError
from trunkline.protocol.settings import PositiveSeconds, Settings, parse_or_exit

from .client import Socket, close
from .files import most_connections, raise_limit
from .idle import HolderFailed, holder, parts
from .meters import cpu_ns, kernel_bytes, pss_bytes
from .opening import Door, open_all, source_of
from .peer import PLAIN_DIALECT, Shape, System, by_role
from .processes import Cores, NotStarted
from .spec import Kind, Spec, Target
from .speech import Speech
from .systems import trunkline
from .tally import Tally

ANY_CORE: Final = Cores(None, None)
ROOM: Final = 10
"""Members of a chat."""
LOOK_S: Final = 60.0
ARRIVES_WITHIN_S: Final = 10.0
"""What is still on its way in the end may take so long."""
LISTEN_S: Final = 0.05
MIB: Final = 1024 * 1024


class StandingSettings(Settings):
    """What it can be told."""

    model_config = SettingsConfigDict(env_prefix="TRUNKLINE_BENCH_")

    silent: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        50_000, description="connections that say nothing"
    )
    chatting: Annotated[int, Field(ge=ROOM, le=15_000)] = Field(
        500, description=f"connections that chat, in rooms of {ROOM}"
    )
    minutes: Annotated[float, Field(gt=0, le=10_000)] = Field(10.0, description="how long all of them stand")
    interfaces: Annotated[int, Field(ge=1, le=64)] = Field(4, description="interface servers")
    workers: Annotated[int, Field(ge=1, le=64)] = Field(2, description="workers")
    redises: Annotated[int, Field(ge=1, le=16)] = Field(2, description="Redises, one shard each")
    every_s: PositiveSeconds = Field(5.0, description="between two messages of one connection, on average")


@dataclass(slots=True)
class Chat:
    """What all chats together have sent and heard.

    Attributes:
        tally: the books.
        out_of_order: messages that came before an earlier one.
        latencies_ms: of each delivery since the last look.
    """

    tally: Tally = field(default_factory=Tally)
    out_of_order: int = 0
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def broken(self) -> int:
        """Everything that must not be."""
        tally = self.tally
        missing = tally.expected - tally.received
        return missing + tally.duplicates + tally.mismatched + tally.lost + self.out_of_order


class Member(Socket):
    """A connection that chats: says numbered messages, and hears those of its whole room.

    Args:
        chat: where it counts.
        speech: how messages are wrapped.
        seat: its number in the room.
    """

    __slots__ = ("_chat", "_due", "_said", "_seat")

    def __init__(self, chat: Chat, speech: Speech, seat: int) -> None:
        super().__init__(chat.tally, speech)
        self._chat = chat
        self._seat = seat
        self._said = 0
        self._due = [0] * ROOM

    def say(self) -> None:
        """Says the next message."""
        text = b"%d %d %d" % (self._seat, self._said, time.monotonic_ns())
        self._said += 1
        self.tally.sent += 1
        self.tally.expected += ROOM
        self.transport.write(self.speech.frame(text))

    def heard(self, message: bytes) -> None:
        """Checks that it is the next one of whoever said it."""
        seat, number, said_ns = map(int, message.split())
        due = self._due[seat]
        if number < due:
            self.tally.duplicates += 1
            return
        if number > due:
            self._chat.out_of_order += 1
        self._due[seat] = number + 1
        self.tally.received += 1
        self._chat.latencies_ms.append((time.monotonic_ns() - said_ns) / 1e6)


def table_head(roles: Sequence[str]) -> list[str]:
    """The two first lines of the table."""
    names = ["minute", "connections", "said", "heard", "lost, doubled, out of order", "p50 ms", "p99 ms"]
    names += [f"{role}, {unit}" for role in roles for unit in ("MiB", "% of a core")]
    names.append("kernel, MiB")
    return [f"| {' | '.join(names)} |", "|" + "--:|" * len(names)]


class Watch:
    """Looks at a cluster and a chat, and tells what has grown since.

    Args:
        pids: role to the ids of its processes.
        chat: what is said in it.
        silent: how many say nothing.
    """

    def __init__(self, pids: Mapping[str, Sequence[int]], chat: Chat, silent: int) -> None:
        self._pids = pids
        self._chat = chat
        self._silent = silent
        self._kernel = kernel_bytes()
        self._began_s = self._looked_s = time.monotonic()
        self._cpu_ns = self._cpu()

    def _cpu(self) -> dict[str, int]:
        return {role: sum(map(cpu_ns, pids)) for role, pids in self._pids.items()}

    def begin(self) -> None:
        """All connections are open: from here on minutes count."""
        self._began_s = self._looked_s = time.monotonic()
        self._cpu_ns = self._cpu()

    def line(self, members: int) -> str:
        """A row of the table."""
        chat, now_s, cpu = self._chat, time.monotonic(), self._cpu()
        latencies, chat.latencies_ms = chat.latencies_ms, []
        centiles = quantiles(latencies, n=100) if len(latencies) > 1 else [0.0] * 99
        cells = [
            f"{(now_s - self._began_s) / 60:.0f}",
            f"{self._silent + members:,}",
            f"{chat.tally.sent:,}",
            f"{chat.tally.received:,}",
            f"{chat.tally.duplicates + chat.tally.mismatched + chat.tally.lost + chat.out_of_order}",
            f"{centiles[49]:.1f}",
            f"{centiles[98]:.1f}",
        ]
        for role, pids in self._pids.items():
            cells.append(f"{sum(map(pss_bytes, pids)) / MIB:.0f}")
            cells.append(f"{(cpu[role] - self._cpu_ns[role]) / 1e7 / (now_s - self._looked_s):.1f}")
        cells.append(f"{(kernel_bytes() - self._kernel) / MIB:.0f}")
        self._cpu_ns, self._looked_s = cpu, now_s
        return f"| {' | '.join(cells)} |"


async def talk(members: Sequence[Member], every_s: float) -> None:
    """Lets connections chat until it is cancelled; who is next is drawn."""
    loop = asyncio.get_running_loop()
    next_s = loop.time()
    while True:
        next_s += random.expovariate(len(members) / every_s)
        await asyncio.sleep(next_s - loop.time())
        random.choice(members).say()


async def stand(settings: StandingSettings, system: System) -> int:
    """Opens everything, lets it stand, closes it.

    Returns:
        How much was lost, doubled, out of order.
    """
    chat, speech = Chat(), Speech(PLAIN_DIALECT)
    pids = {role: [system.pids[name] for name in names] for role, names in by_role(system.pids).items()}
    watch = Watch(pids, chat, settings.silent)
    ports = [system.port, *system.further.values()]
    target = Target(system.host, ports, "/echo", PLAIN_DIALECT, {}, [])
    async with AsyncExitStack() as stack:
        for number, count in enumerate(parts(settings.silent, most_connections()) if settings.silent else []):
            spec = Spec(Kind.IDLE, target, f"standing{number}", count, 0, 0)
            await stack.enter_async_context(holder(spec))
        count = settings.chatting // ROOM * ROOM
        members = await open_all(
            lambda index: Member(chat, speech, index % ROOM),
            count,
            speech,
            lambda index: Door(system.host, ports[index % len(ports)], "/group/{run}", source_of(0)),
            lambda index: f"room{index // ROOM}",
        )
        print("\n".join(table_head(list(pids))), flush=True)
        watch.begin()
        talking = asyncio.create_task(talk(members, settings.every_s))
        end_s = time.monotonic() + settings.minutes * 60
        while (left_s := end_s - time.monotonic()) > 0:
            await asyncio.wait([talking], timeout=min(LOOK_S, left_s))
            if talking.done():
                await talking
            print(watch.line(len(members)), flush=True)
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
        await _arrived(chat)
        await close(members)
    return chat.broken


async def _arrived(chat: Chat) -> None:
    """Waits for what is on its way."""
    for _ in range(int(ARRIVES_WITHIN_S / LISTEN_S)):
        if chat.tally.received >= chat.tally.expected:
            return
        await asyncio.sleep(LISTEN_S)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; 1 if anything was lost, doubled or out of order."""
    settings = parse_or_exit(
        StandingSettings, sys.argv[1:] if argv is None else argv, "python -m benchmarks.standing", __doc__
    )
    raise_limit()
    shape = Shape(settings.interfaces, settings.workers, redises=settings.redises)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            trunkline(ANY_CORE, Path(folder), shape) as system,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            broken = runner.run(stand(settings, system))
    except (ConfigError, NotStarted, HolderFailed, OSError) as error:
        print(f"python -m benchmarks.standing: {error}", file=sys.stderr)
        return 1
    print(f"lost, doubled, out of order, or connections that ended: {broken}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

"""The ledger: all that connections sent and heard in a case, and every way in which that breaks a promise. Pure.

A witness that no fault touches hears of each disconnect how many frames were counted until then. So also of a
connection that was cut, whose client cannot know, it is known which of its frames had effects: exactly those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.faults.app import is_background_send, is_early, is_group_send
from tests.faults.promises import Column, Promises
from tests.support.history import Fault, History, Kind, faults


@dataclass(slots=True)
class Record:
    """One connection.

    Attributes:
        name: of the connection.
        room: group it is in.
        sent: frames it sent, numbered from 0.
        replies: number and count of each reply, in order.
        groups: of each sender, the numbers it heard, in order.
        early: as ``groups``, of what was sent early.
        code: close code, None if its client closed it.
        cut: the server's side of it went away.
        sends_early: its handlers do.
    """

    name: str
    room: str
    sends_early: bool = False
    sent: int = 0
    replies: list[tuple[int, int]] = field(default_factory=list)
    groups: dict[str, list[int]] = field(default_factory=dict)
    early: dict[str, list[int]] = field(default_factory=dict)
    code: int | None = None
    cut: bool = False


class Gone(NamedTuple):
    """A disconnect as its handler saw it.

    Attributes:
        name: of the connection.
        code: close code.
        counted: frames that its session had counted.
    """

    name: str
    code: int
    counted: int


@dataclass(slots=True)
class Witnessed:
    """What the witness heard, in order.

    Attributes:
        gone: disconnects.
        tallied: connection and number of each background message.
    """

    gone: list[Gone] = field(default_factory=list)
    tallied: list[tuple[str, int]] = field(default_factory=list)

    def hear(self, text: str) -> None:
        """A line of the witness's."""
        kind, name, *numbers = text.split()
        if kind == "gone":
            self.gone.append(Gone(name, int(numbers[0]), int(numbers[1])))
        else:
            self.tallied.append((name, int(numbers[0])))


class Entry(NamedTuple):
    """A fault, and what it is a fault of.

    Attributes:
        column: the kind of effect.
        fault: what is wrong with it.
        sender: the connection whose frame had this effect.
        number: of that frame; None of a disconnect and of what a session holds in the end.
    """

    column: Column
    fault: Fault
    sender: str
    number: int | None = None

    def __str__(self) -> str:
        return f"{self.column}: {self.fault}"


def anything(sender: str, number: int) -> bool:
    """Every frame's effects may be forgotten."""
    return True


class Ledger:
    """The ledger of a case.

    Args:
        records: of every connection.
        witnessed: by the witness.
        sessions: counters that stood in Redis at the end of the load, by connection.
        sessions_lost: Redis lost sessions, so that their counters tell nothing of the frames.
    """

    def __init__(
        self,
        records: Sequence[Record],
        witnessed: Witnessed,
        sessions: Mapping[str, int],
        *,
        sessions_lost: bool = False,
    ) -> None:
        self._records = {record.name: record for record in records}
        self._witnessed = witnessed
        self._sessions = sessions
        self._sessions_lost = sessions_lost
        counted = {} if sessions_lost else {gone.name: gone.counted for gone in reversed(witnessed.gone)}
        # Of a connection nobody cut each frame had to be handled.
        self._handled = {
            record.name: counted.get(record.name, record.sent) if record.cut else record.sent
            for record in records
        }

    @property
    def sent(self) -> int:
        """Events that clients sent: frames, and a connect and a disconnect of each connection."""
        return sum(record.sent + 2 for record in self._records.values())

    @property
    def effects(self) -> int:
        """Effects that were seen."""
        heard = sum(
            len(record.replies) + sum(map(len, record.groups.values())) + sum(map(len, record.early.values()))
            for record in self._records.values()
        )
        return heard + len(self._witnessed.gone) + len(self._witnessed.tallied)

    def entries(self) -> list[Entry]:
        """Every fault, whether it breaks a promise or not."""
        return [
            *self._of_replies(),
            *self._of_groups(),
            *self._of_sessions(),
            *self._of_disconnects(),
            *self._of_background(),
        ]

    def broken(
        self, promises: Promises, may_be_forgotten: Callable[[str, int], bool] = anything
    ) -> list[Entry]:
        """The faults that break a promise.

        Args:
            promises: of the case.
            may_be_forgotten: whether a frame's effects fell in the time that Redis forgot; the others happen once.
        """
        return [
            entry
            for entry in self.entries()
            if not promises.of(entry.column).allows(entry.fault.kind)
            or (entry.number is not None and not may_be_forgotten(entry.sender, entry.number))
        ]

    # ---- columns ----

    def _of_replies(self) -> Iterable[Entry]:
        for record in self._records.values():
            expected = [str(number) for number in range(record.sent)]
            heard = [str(number) for number, _ in record.replies]
            for fault in faults({record.name: History(expected, heard, record.cut)}):
                yield Entry("replies", fault, record.name, int(fault.message))
                if fault.kind == "lost":
                    yield Entry("events", fault, record.name, int(fault.message))

    def _of_groups(self) -> Iterable[Entry]:
        for member in self._records.values():
            for sender in self._records.values():
                if sender.room == member.room:
                    handled = range(self._handled[sender.name])
                    sends = [str(number) for number in handled if is_group_send(number)]
                    yield from _heard("groups", member, sender.name, sends, member.groups)
                    sends = [str(number) for number in handled if sender.sends_early and is_early(number)]
                    yield from _heard("early", member, sender.name, sends, member.early)

    def _of_sessions(self) -> Iterable[Entry]:
        for record in self._records.values():
            before = 0
            said: set[tuple[int, int]] = set()
            for position, (number, counted) in enumerate(record.replies):
                if (number, counted) in said:
                    continue  # The same reply again, of one write.
                said.add((number, counted))
                # Relative to the reply before, so that one write too many is one fault and not all that follow.
                if counted != before + 1:
                    kind: Kind = "doubled" if counted > before + 1 else "lost"
                    for column in ("sessions", "events") if kind == "doubled" else ("sessions",):
                        fault = Fault(kind, record.name, f"{number} {counted}", position)
                        yield Entry(column, fault, record.name, number)
                before = counted
            if not record.cut and self._sessions.get(record.name, -1) != before:
                stands = f"session {self._sessions.get(record.name)}, last reply {before}"
                yield Entry("sessions", Fault("lost", record.name, stands, record.sent), record.name)

    def _of_disconnects(self) -> Iterable[Entry]:
        seen = Counter(gone.name for gone in self._witnessed.gone)
        for name, times in seen.items():
            if name not in self._records:
                yield Entry("disconnects", Fault("invented", name, "gone", 0), name)
            for again in range(1, times):
                yield Entry("disconnects", Fault("doubled", name, "gone", again), name)
        for name in self._records.keys() - seen.keys():
            yield Entry("disconnects", Fault("lost", name, "gone", 0), name)
        for gone in self._witnessed.gone:
            record = self._records.get(gone.name)
            if record is None or self._sessions_lost:
                continue
            least = record.replies[-1][1] if record.replies else 0
            most = record.sent if record.cut else least
            if not least <= gone.counted <= most:
                text = f"gone behind {gone.counted} of {least} to {most} frames"
                yield Entry("disconnects", Fault("reordered", gone.name, text, gone.counted), gone.name)

    def _of_background(self) -> Iterable[Entry]:
        times = Counter(self._witnessed.tallied)
        expected = {
            (name, number)
            for name, handled in self._handled.items()
            for number in range(handled)
            if is_background_send(number)
        }
        for (name, number), count in times.items():
            if (name, number) not in expected:
                yield Entry("background", Fault("invented", name, str(number), number), name, number)
            for again in range(1, count):
                yield Entry("background", Fault("doubled", name, str(number), again), name, number)
        for name, number in expected - times.keys():
            yield Entry("background", Fault("lost", name, str(number), number), name, number)


def _heard(
    column: Column, member: Record, sender: str, sends: list[str], heard: Mapping[str, list[int]]
) -> Iterable[Entry]:
    numbers = [str(number) for number in heard.get(sender, ())]
    history = History(sends, numbers, member.cut)
    for fault in faults({f"{member.name} of {sender}": history}):
        yield Entry(column, fault, sender, int(fault.message))

"""A worker as a frozen value: what it holds, what it has sent and not heard about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from . import application
from .application import Session
from .store import REAL, Rules, cut, put
from .words import Effect
from .worker_scripts import Delivery, Outcome

Key = tuple[str, int]


class Work(NamedTuple):
    """A delivery in the worker's hands.

    Attributes:
        delivery: it.
        session: as read when its handler began; None before that.
        early: number of the call that sends its early effects; 0 without one.
        sent: they were applied; None while that is not known.
        committing: its commit is on its way.
    """

    delivery: Delivery
    session: Session | None = None
    early: int = 0
    sent: bool | None = None
    committing: bool = False


class Apply(NamedTuple):
    """A call of ``apply.lua``."""

    number: int
    delivery: Delivery
    effects: tuple[Effect, ...]

    @property
    def within(self) -> Key:
        """The entry within which they are applied."""
        return self.delivery.channel, self.delivery.id


class Commit(NamedTuple):
    """A call of ``commit.lua``, with the deliveries it is about."""

    outcomes: tuple[Outcome, ...]
    deliveries: tuple[Delivery, ...]


Call = Apply | Commit


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker.

    Attributes:
        id: its id, and its consumer's name.
        rules: what holds.
        alive: the process runs (it may be stopped).
        stopped: by a signal, or by a machine that sleeps.
        held: deliveries.
        number: of its last `Apply`.
        calls: sent; Redis has not taken them.
        answers: given by Redis; not heard.
    """

    id: str
    rules: Rules = REAL
    alive: bool = True
    stopped: bool = False
    held: Mapping[Key, Work] = field(default_factory=dict)
    number: int = 0
    calls: tuple[Call, ...] = ()
    answers: tuple[tuple[Call, int], ...] = ()

    @property
    def runs(self) -> bool:
        """Whether the process can do a step."""
        return self.alive and not self.stopped

    def to_begin(self) -> list[Key]:
        """What it holds and has not begun."""
        return [key for key, work in self.held.items() if work.session is None]

    def to_finish(self) -> list[Key]:
        """Whose handlers can end."""
        asked = self.rules.early_is_asked
        return [
            key
            for key, work in self.held.items()
            if work.session is not None and not work.committing and (work.sent or not work.early or not asked)
        ]


def take(worker: Worker, deliveries: Iterable[Delivery]) -> Worker:
    """Takes what it has not got already."""
    for delivery in deliveries:
        key = (delivery.channel, delivery.id)
        if key not in worker.held:
            worker = replace(worker, held=put(worker.held, key, Work(delivery)))
    return worker


def begin(worker: Worker, key: Key, session: Session) -> Worker:
    """A handler begins, and sends what it sends early."""
    work = worker.held[key]._replace(session=session)
    effects = application.early(work.delivery.event)
    poison = work.delivery.attempt > application.POISON_ATTEMPTS
    if effects and not poison:
        number = worker.number + 1
        call = Apply(number, work.delivery, effects)
        worker = replace(worker, number=number, calls=(*worker.calls, call))
        work = work._replace(early=number)
    return replace(worker, held=put(worker.held, key, work))


def finish(worker: Worker, keys: Sequence[Key]) -> Worker:
    """Handlers end: their outcomes are committed in one call."""
    works = [worker.held[key] for key in keys]
    outcomes = tuple(
        Outcome(
            work.delivery.channel, work.delivery.id, application.handle(work.delivery, work.session or ())
        )
        for work in works
    )
    held = {**worker.held, **{key: worker.held[key]._replace(committing=True) for key in keys}}
    call = Commit(outcomes, tuple(work.delivery for work in works))
    return replace(worker, held=held, calls=(*worker.calls, call))


def hear(worker: Worker) -> Worker:
    """Reads the next answer."""
    (call, answer), rest = worker.answers[0], worker.answers[1:]
    worker = replace(worker, answers=rest)
    if isinstance(call, Commit):
        return replace(worker, held=cut(worker.held, *((one.channel, one.id) for one in call.deliveries)))
    work = worker.held.get(call.within)
    if work is None or work.early != call.number:
        return worker
    if not answer and worker.rules.early_is_asked:
        return replace(worker, held=cut(worker.held, call.within))  # somebody else has it
    return replace(worker, held=put(worker.held, call.within, work._replace(sent=True)))


def reconnect(worker: Worker) -> Worker:
    """The connection is gone: what has no answer is sent again, in its order."""
    unheard = tuple(call for call, _ in worker.answers)
    return replace(worker, calls=(*unheard, *worker.calls), answers=())

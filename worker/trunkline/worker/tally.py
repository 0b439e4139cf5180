"""The tally: counts how each call of a handler ended. Calls are told apart by the names of their outcomes.

========================  =====================================================================================
``ok``                    the handler has ended
``refused``               it has denied a handshake
``error``, ``timeout``    it has failed, and the message is a dead letter
``retries``               the same, after it had asked to be called again (``raise Retry``) as often as it may
``retry``                 it has failed, and the message waits here to be tried again
``set_aside``             it has failed, and the message waits in the layer to be tried again
``unrouted``              there is none
========================  =====================================================================================
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from trunkline.protocol.process.metrics import Counter, Histogram

from .job import Job
from .log_context import TOLD
from .match import Match, Route
from .metrics import WorkerMetrics

log: Final = logging.getLogger(__name__)

AGAIN: Final = "again:"
"""Stands before the outcome of a call behind one that failed."""
FAILURES: Final = ("error", "timeout", "retries")
"""The outcomes with which a message becomes a dead letter."""
RETRIES: Final = {"retry": "waits", "set_aside": "set_aside"}
"""The outcomes of a call that is not the last, and how they are counted as retries."""

Note = Callable[[Job, int, str, float], None]
"""Takes a job, the index of a step, the name of its outcome and its seconds."""


class Tally:
    """Counts.

    Args:
        metrics: where.
        log_messages: say it in a log line as well.
    """

    __slots__ = ("_handled", "_log_messages", "_metrics")

    def __init__(self, metrics: WorkerMetrics, log_messages: bool) -> None:
        self._metrics = metrics
        self._log_messages = log_messages
        # Counters of what has gone well before, by route; none where each call is logged as well.
        self._handled: dict[Route, tuple[Counter, Histogram]] = {}

    def note(self, job: Job, index: int, outcome: str, seconds: float) -> None:
        """Counts one call; see `Note`."""
        match = job.plan.matches[index]
        if outcome == "ok" and match is not None:
            counted = self._handled.get(match.route)
            if counted is not None:
                counted[0].value += 1
                counted[1].observe(seconds)
                return
        self._note_thoroughly(job, index, match, outcome, seconds)

    def _note_thoroughly(
        self, job: Job, index: int, match: Match | None, outcome: str, seconds: float
    ) -> None:
        metrics = self._metrics
        channel = job.channel
        if match is not None:
            route = match.route.name
            metrics.handler_seconds.get(route).observe(seconds)
            outcome = self._count_tries(route, outcome)
            if outcome == "ok" and not self._log_messages:
                counters = metrics.messages.get(channel, route, outcome), metrics.handler_seconds.get(route)
                self._handled[match.route] = counters
            if outcome in FAILURES:
                metrics.dead_letters.get(outcome).value += 1
        else:
            route = "-"
            if job.reply is None:  # of a background channel
                metrics.dead_letters.get(outcome).value += 1
        metrics.messages.get(channel, route, outcome).value += 1
        if self._log_messages:
            log.info(
                "handled %s event=%d outcome=%s ms=%.3f", job, index, outcome, seconds * 1000, extra=TOLD
            )

    def _count_tries(self, route: str, outcome: str) -> str:
        """Counts an outcome that tells of retries; its name without that."""
        _, again, name = outcome.rpartition(AGAIN)
        told = RETRIES.get(name) or (again and ("gave_up" if name in FAILURES else "succeeded"))
        if told:
            self._metrics.retries.get(route, told).value += 1
        return name

"""Log lines that a handler writes say for which message: channel, route and connection stand behind their text."""

from __future__ import annotations

import logging

from .job import Job
from .outbox import CURRENT


class _Context(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        outbox = CURRENT.get(None)
        if outbox is not None and isinstance(outbox.hooks, Job) and not hasattr(record, "trunkline_context"):
            record.trunkline_context = True
            record.msg = f"{record.getMessage()} {outbox.hooks}"
            record.args = None
        return True


def carry_context() -> None:
    """Makes the handlers of the root logger add the context. Call it after `logs.setup`."""
    for handler in logging.getLogger().handlers:
        if not any(isinstance(known, _Context) for known in handler.filters):
            handler.addFilter(_Context())

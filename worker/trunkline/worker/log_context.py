"""Log lines that a handler writes say for which message: channel, route and connection stand behind their text; in JSON
they are fields, and the message's id too."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from trunkline.protocol.process.json_logs import FIELDS, JsonFormatter

from .outbox import CURRENT

_MARK = "trunkline_context"
TOLD: Mapping[str, Any] = {_MARK: True}
"""``extra`` of a log line that names its message itself."""


class _Context(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        outbox = CURRENT.get(None)
        if outbox is None or outbox.hooks is None or hasattr(record, _MARK):
            return True
        try:
            text = record.getMessage()
        except Exception:  # a format that does not fit: the handler says so where it prints, as logging does
            return True
        setattr(record, _MARK, True)
        record.msg = f"{text} {outbox.hooks}"
        record.args = None
        return True


class _Fields(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        outbox = CURRENT.get(None)
        if outbox is not None and outbox.hooks is not None:
            setattr(record, FIELDS, {**outbox.hooks.log_fields(), "message_id": outbox.event_id()})
        return True


def carry_context() -> None:
    """Makes the handlers of the root logger add the context. Call it after `logs.setup`."""
    for handler in logging.getLogger().handlers:
        if not any(isinstance(known, (_Context, _Fields)) for known in handler.filters):
            handler.addFilter(_Fields() if isinstance(handler.formatter, JsonFormatter) else _Context())

"""What a case promises: for each kind of effect how often it happens, and in which time the cluster has recovered."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import Literal

Column = Literal["events", "replies", "groups", "early", "sessions", "disconnects", "background"]


class Form(Enum):
    """How often an effect happens.

    Only what Redis itself lost may be ``AROUND``: of the effects that were committed in the moment which Redis forgot,
    some may be missing and some be there twice; of those before and behind it none.
    """

    ONCE = "exactly once"
    AT_LEAST = "at least once"
    AROUND = "once, but in what Redis forgot"

    def allows(self, kind: str) -> bool:
        """Whether a fault of this kind is none."""
        if self is Form.AROUND:
            return kind != "reordered"
        return self is Form.AT_LEAST and kind == "doubled"


@dataclass(frozen=True, slots=True)
class Promises:
    """Of one case.

    Attributes:
        events: frames that clients sent, by the counter that their handlers keep in the session.
        replies: of handlers to their own connection.
        groups: sends to a group, at each of its members.
        early: group sends that were flushed before their handler ended.
        sessions: writes, by the counter in each reply and by what stands in Redis in the end.
        disconnects: of each connection once, and behind its last frame.
        background: messages to a background channel, at once or delayed.
    """

    events: Form = Form.ONCE
    replies: Form = Form.ONCE
    groups: Form = Form.ONCE
    early: Form = Form.ONCE
    sessions: Form = Form.ONCE
    disconnects: Form = Form.ONCE
    background: Form = Form.ONCE

    def of(self, column: Column) -> Form:
        """The form of a column."""
        form = getattr(self, column)
        assert isinstance(form, Form)
        return form

    @property
    def forgets(self) -> bool:
        """Redis itself may lose something."""
        return any(self.of(column) is Form.AROUND for column in COLUMNS)


COLUMNS: tuple[Column, ...] = tuple(field.name for field in fields(Promises))  # type: ignore[misc]

"""How long the suite waits for what has to come, until it gives up: no bounds of promises, which cases have."""

from __future__ import annotations

from typing import Final, NamedTuple


class Waits(NamedTuple):
    """In seconds.

    Attributes:
        replies_s: for so many replies, or one on every connection.
        end_s: for the last frame that is sent, and for the last reply.
        stuck_s: for every connection having sent what it may without a reply.
        buried_s: for a process being declared dead, and buried.
        ready_s: for one that was, and lives, having a lease again.
        gone_s: for the disconnects of connections that are closed.
        arrives_s: how long nothing may have come, of group sends and background messages, until the rest is called
            lost. Those that are delayed come 0.2 s late, at a heartbeat of the reaper's (0.25 s).
        clean_s: for Redis holding nothing of what is closed or dead.
    """

    replies_s: float
    end_s: float
    stuck_s: float
    buried_s: float
    ready_s: float
    gone_s: float
    arrives_s: float
    clean_s: float


ONE_REDIS: Final = Waits(
    replies_s=20.0,
    end_s=30.0,
    stuck_s=10.0,
    buried_s=12.0,
    ready_s=10.0,
    gone_s=20.0,
    arrives_s=1.5,
    clean_s=10.0,
)
SEVERAL: Final = Waits(
    replies_s=60.0,
    end_s=60.0,
    stuck_s=30.0,
    buried_s=30.0,
    ready_s=30.0,
    gone_s=60.0,
    arrives_s=3.0,
    clean_s=30.0,
)
"""Where another Redis takes over it is away for up to ten seconds more, and up to nine servers share two cores with the
suite."""

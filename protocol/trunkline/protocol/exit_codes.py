"""How the commands end. Every exit code has a name and one meaning."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit code of every ``trunkline`` command."""

    OK = 0
    """Done, or stopped by SIGTERM or SIGINT after its drain."""
    FAILED = 1
    """Something went wrong while running; the last log line says what."""
    USAGE = 2
    """A flag, environment variable or setting is wrong; nothing was started."""
    ROUTING = 3
    """The routing module has mistakes; each was printed."""
    NO_REDIS = 4
    """Redis cannot be reached, or is too old, or refuses us."""
    STUCK = 5
    """A handler ran over its limit and could not be cancelled; the worker ended so that it is replaced."""
    LOOP_DIED = 6
    """A background loop that a process cannot live without has ended."""
    NOT_RUNNING = 7
    """The command needs a running cluster and there is none."""
    ALREADY_RUNNING = 8
    """The command would start a cluster and one is running with other settings."""
    UNWELL = 9
    """`trunkline doctor` has found something to mend."""

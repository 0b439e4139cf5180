"""``python -m channels_worker``: ``manage.py runworker`` for the one channel of `channels_app`."""

from __future__ import annotations

from channels_app import WORKER_CHANNEL
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    print("worker is ready", flush=True)
    execute_from_command_line(["manage.py", "runworker", WORKER_CHANNEL])

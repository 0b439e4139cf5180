"""What a process says of itself."""

from __future__ import annotations

import os
import time
from importlib.metadata import version

from trunkline.protocol.process.lease import lease_info


def test_a_lease_tells_where_its_process_runs_and_since_when() -> None:
    info = lease_info("w1", "worker", "127.0.0.1:9000", "chat.routing")
    assert (info.id, info.role, info.admin, info.detail) == (
        "w1",
        "worker",
        "127.0.0.1:9000",
        "chat.routing",
    )
    assert info.pid == os.getpid() and info.host and info.version == version("trunkline")
    assert 0 <= time.time() - info.started_s < 3600


def test_a_new_lease_of_the_same_process_has_the_same_start() -> None:
    assert lease_info("i1", "interface", "", "").started_s == lease_info("i2", "interface", "", "").started_s

"""Facts made up by tests."""

from __future__ import annotations

import time
from typing import Any

from trunkline.protocol.messages import LeaseInfo
from trunkline.protocol.process.facts import ProcessFacts
from trunkline.protocol.process.facts.samples import Samples


def a_lease(identity: str = "w1", admin: str = "127.0.0.1:1", **values: Any) -> LeaseInfo:
    role = "interface" if identity.startswith("i") else "worker"
    made = LeaseInfo(identity, role, "host", 10, admin, "0.1.0", time.time() - 100.0, "app.routing", "v1")
    return made._replace(**values)


def a_process(
    identity: str = "w1", now: str = "", before: str | None = "", span_s: float = 1.0, **values: Any
) -> ProcessFacts:
    """A process that told ``now`` and, ``span_s`` before, ``before``."""
    lease = values.pop("lease", None) or a_lease(identity)
    earlier = Samples(before) if before is not None else None
    return ProcessFacts(lease, now=Samples(now), before=earlier, span_s=span_s, **values)

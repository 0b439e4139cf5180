"""The findings for the dashboard, whose page is served by tiers that know nothing of this one."""

from __future__ import annotations

from typing import Any

from trunkline.protocol.process.facts import Facts
from trunkline.protocol.settings import LayerSettings

from .checks import diagnose


def examine(facts: Facts, settings: LayerSettings) -> list[dict[str, Any]]:
    """See `trunkline.protocol.dashboard.look.Examine`."""
    return [finding.as_json() for finding in diagnose(facts, settings)]

"""``trunkline doctor``: looks at a running cluster, names what is wrong and the bottleneck, and how it is mended."""

from __future__ import annotations

import asyncio
import json
import sys

from rich.console import Console

from trunkline.protocol.errors import ConfigError
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.process.facts import Facts
from trunkline.protocol.process.facts.gatherer import Gatherer
from trunkline.protocol.redis_layer import shards
from trunkline.protocol.settings import LayerSettings

from .diagnosis import report
from .diagnosis.checks import diagnose
from .failures import refuse
from .running import guessed, layer_settings
from .settings import DoctorSettings


def run(settings: DoctorSettings) -> int:
    """Prints what it finds; its exit code says whether that is something to mend."""
    try:
        layer = layer_settings(settings.run_dir, settings)
        guess = guessed(settings.run_dir, settings)
    except ConfigError as error:
        return refuse("doctor", error, ExitCode.FAILED)
    facts = asyncio.run(examined(layer, settings.interval_s))
    if facts.unavailable and guess and not settings.as_json:
        return refuse("doctor", guess, ExitCode.NO_REDIS)
    findings = diagnose(facts, layer)
    if settings.as_json:
        print(json.dumps(report.as_json(facts, findings), indent=2))
    elif sys.stdout.isatty():
        report.show(Console(highlight=False), facts, findings)
    else:
        print("\n".join(report.lines(facts, findings)))
    if facts.unavailable:
        return ExitCode.NO_REDIS
    return ExitCode.OK if report.healthy(findings) else ExitCode.UNWELL


async def examined(layer: LayerSettings, interval_s: float) -> Facts:
    """The facts of two looks, ``interval_s`` apart."""
    operator = shards.operator_layer(layer)
    gatherer = Gatherer(operator)
    try:
        first = await gatherer.look()
        if first.unavailable:
            return first
        await asyncio.sleep(interval_s)
        return await gatherer.look(deep=True)
    finally:
        await gatherer.close()
        await operator.close()

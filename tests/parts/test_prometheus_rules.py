"""Recording and alert rules, by promtool: each alert fires when it should, and not when it should not."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.docs.reference import METRICS, sample_name
from tests.docs.test_documents import headings
from tests.faults.rows import anchor
from tests.support.commands import ROOT
from tests.support.programs import program

pytestmark = pytest.mark.parts

CONFIGURATION = ROOT / "deploy" / "prometheus.yml"
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
INTERVAL = "15s"
LATER = "6m"

D = 'deployment="d"'
UP = f'up{{job="trunkline", {D}'


class Case(NamedTuple):
    """Figures with which an alert fires, and figures close to them with which it does not.

    Attributes:
        fires: series to values, as promtool writes them: ``0+1x40`` is 0, 1, 2 … 40.
        calm: the same.
        at: when it has to fire.
        calm_at: when it must not.
    """

    fires: dict[str, str]
    calm: dict[str, str]
    at: str = LATER
    calm_at: str = LATER


def counts(metric: str, labels: str = "") -> Case:
    """An alert on a counter that rises by one, and not on an old event."""
    series = f'{metric}{{{D}, process="p"{labels}}}'
    return Case({series: "0x8 1x40"}, {series: "0x3 1x80"}, at="3m", calm_at="12m")


def appears(metric: str, labels: str) -> Case:
    """An alert on a counter that comes into being with its first event."""
    series = f'{metric}{{{D}, process="p", {labels}}}'
    return Case({series: "_x8 1x40"}, {series: "_x3 1x80"}, at="3m", calm_at="12m")


def level(metric: str, high: str, low: str, labels: str = "", **other: str) -> Case:
    """An alert on a level, which others may bound."""
    series = f'{metric}{{{D}, process="p"{labels}}}'
    bounds = {f'trunkline_{name}{{{D}, process="p"{labels}}}': f"{value}x60" for name, value in other.items()}
    return Case({series: f"{high}x60", **bounds}, {series: f"{low}x60", **bounds})


def rate(metric: str, quick: str, slow: str, labels: str = "") -> Case:
    """An alert on how quickly a counter rises, in steps a quarter of a minute."""
    series = f'{metric}{{{D}, process="p"{labels}}}'
    return Case({series: f"0+{quick}x60"}, {series: f"0+{slow}x60"})


def quantile(metric: str, labels: str = "") -> Case:
    """An alert on a quantile of a histogram: all within 2.5 s, and all within 0.1 s."""

    def series(slow: bool) -> dict[str, str]:
        at_least = {"0.1": "0" if slow else "10", "2.5": "10", "+Inf": "10"}
        return {
            f'{metric}_bucket{{{D}, process="p"{labels}, le="{bound}"}}': f"0+{count}x60"
            for bound, count in at_least.items()
        }

    return Case(series(True), series(False))


MEMORY = 'trunkline_redis_memory_bytes{deployment="d", shard="0"}'
MAXMEMORY = 'trunkline_redis_memory_limit_bytes{deployment="d", shard="0"}'
HANDLED = f"trunkline_messages_total{{{D}, outcome="
LIVE = {
    f'trunkline_live_interfaces{{{D}, process="p"}}': "1x60",
    f'trunkline_live_workers{{{D}, process="p"}}': "2x60",
}

WORKERS = {f"trunkline_live_workers{{{D}}}": "1x60"}


def up(shard: int) -> str:
    """Whether a shard answers a process."""
    return f'trunkline_shard_up{{{D}, process="p", shard="{shard}"}}'


def on_shard(shard: int) -> str:
    """How many workers are on a shard."""
    return f'trunkline_shard_workers{{{D}, shard="{shard}"}}'


CASES: dict[str, Case] = {
    "TrunklineRedisAway": Case(
        {f'trunkline_redis_up{{{D}, process="a"}}': "1x8 0x40", f'trunkline_redis_up{{{D}, process="b"}}': "1x60"},
        {f'trunkline_redis_up{{{D}, process="a"}}': "1x9 0 1x40"},
        calm_at="2m30s",
    ),
    "TrunklineShardAway": Case(
        {up(0): "1x60", up(1): "1x8 0x40"}, {up(0): "1x60", up(1): "1x9 0 1x40"}, calm_at="2m30s"
    ),
    "TrunklineShardWithoutWorkers": Case(
        {**WORKERS, on_shard(0): "1x60", on_shard(1): "0x60"}, {**WORKERS, on_shard(0): "1x60", on_shard(1): "1x60"}
    ),
    "TrunklineNoWorkers": level("trunkline_live_workers", "0", "1"),
    "TrunklineNoInterfaces": level("trunkline_live_interfaces", "0", "1"),
    "TrunklineNothingScraped": Case(
        {f'{UP}, process="a"}}': "1x8 0x40"}, {f'{UP}, process="a"}}': "0x60", f'{UP}, process="b"}}': "1x60"}
    ),
    "TrunklineNotAllScraped": Case(
        {**LIVE, **{f'{UP}, process="{name}"}}': f"{up}x60" for name, up in (("a", 1), ("b", 1), ("c", 0))}},
        {**LIVE, **{f'{UP}, process="{name}"}}': "1x60" for name in "abc"}},
    ),
    "TrunklineInterfaceFenced": counts("trunkline_fenced_total"),
    "TrunklineWorkerDied": appears("trunkline_redeliveries_total", 'channel="c"'),
    "TrunklineRepublished": counts("trunkline_republished_total"),
    "TrunklineQueueWait": quantile("trunkline_queue_wait_seconds", ', channel="c"'),
    "TrunklineStuckEntry": level("trunkline_stream_oldest_seconds", "150", "100", ', channel="c"'),
    "TrunklineStreamNearlyFull": level(
        "trunkline_stream_length", "90", "70", ', channel="c"', stream_capacity="100"
    ),
    "TrunklineRefusals": counts("trunkline_refusals_total"),
    "TrunklineTurnedAway": rate("trunkline_turned_away_total", "30", "10", ', reason="message_rate"'),
    "TrunklineProcessSaturated": rate("process_cpu_seconds_total", "14.5", "12", ', job="trunkline"'),
    "TrunklineConnectionsNearLimit": level("trunkline_connections", "95", "80", connections_limit="100"),
    "TrunklineFileDescriptors": Case(
        {f'process_open_fds{{{D}, job="trunkline"}}': "95x60", f'process_max_fds{{{D}, job="trunkline"}}': "100x60"},
        {f'process_open_fds{{{D}, job="trunkline"}}': "80x60", f'process_max_fds{{{D}, job="trunkline"}}': "100x60"},
    ),
    "TrunklineMailboxLag": level("trunkline_mailbox_lag_seconds", "1.5", "0.9"),
    "TrunklineMailboxNearlyFull": level(
        "trunkline_mailbox_length", "60", "40", ', interface="i"', mailbox_capacity="100"
    ),
    "TrunklineSlowClients": rate("trunkline_slow_readers_total", "30", "10"),
    "TrunklineLatency": quantile("trunkline_release_seconds"),
    "TrunklineRedisMemory": Case(
        {MEMORY: "90x60", MAXMEMORY: "100x60"}, {MEMORY: "70x60", MAXMEMORY: "100x60"}
    ),
    "TrunklineClockSkew": level("trunkline_clock_skew_seconds", "-0.7", "-0.4"),
    "TrunklineDeadLetters": appears("trunkline_dead_letters_total", 'reason="error"'),
    "TrunklineDeadLettersTrimmed": counts("trunkline_dead_letters_trimmed_total"),
    "TrunklineHandlerFailures": Case(
        {f'{HANDLED}"ok"}}': "0+97x60", f'{HANDLED}"error"}}': "0+2x60", f'{HANDLED}"timeout"}}': "0+1x60"},
        {f'{HANDLED}"ok"}}': "0+199x60", f'{HANDLED}"error"}}': "0+1x60", f'{HANDLED}"refused"}}': "0+50x60"},
    ),
    "TrunklineDrops": appears("trunkline_drops_total", 'reason="fault"'),
    "TrunklineWatchdogFailures": counts("trunkline_watchdog_failures_total"),
    "TrunklineRedisAppendFailing": level("trunkline_redis_append_failing", "1", "0", ', shard="0"'),
    "TrunklineMixedCode": Case(
        {f'{UP}, code_version="{version}"}}': "1x300" for version in ("v1", "v2")},
        {f'{UP}, code_version="{version}"}}': values for version, values in (("v1", "1x300"), ("v2", "0x300"))},
        at="65m",
        calm_at="65m",
    ),
}  # fmt: skip

CALM_TOO: dict[str, list[dict[str, str]]] = {
    # No limit, no alarm.
    "TrunklineRedisMemory": [{MEMORY: "90x60", MAXMEMORY: "0x60"}],
    "TrunklineConnectionsNearLimit": [
        {f"trunkline_connections{{{D}}}": "95x60", f"trunkline_connections_limit{{{D}}}": "0x60"}
    ],
    # What is thrown away for ordinary reasons.
    "TrunklineDrops": [{f'trunkline_drops_total{{{D}, reason="gone"}}': "0+5x60"}],
    # While Redis is away nobody knows who lives.
    # One shard is not all of Redis; and a process that has no answer from any is no sign that one is away.
    "TrunklineRedisAway": [
        {f'trunkline_redis_up{{{D}, process="p"}}': "0x60", up(0): "1x60", up(1): "0x60"},
    ],
    "TrunklineShardAway": [{up(0): "0x60", up(1): "0x60"}],
    "TrunklineShardWithoutWorkers": [{f"trunkline_live_workers{{{D}}}": "0x60", on_shard(0): "0x60"}],
    "TrunklineNoWorkers": [{f"trunkline_live_workers{{{D}}}": " ".join(["NaN"] * 60)}],
}


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}


ALONE = ("TrunklineNothingScraped", "TrunklineMixedCode")
"""Alerts that look at all deployments, or take long: in tests of their own."""


class Check(NamedTuple):
    """That an alert fires, or does not, for a deployment of its own that nobody else is in.

    Attributes:
        alert: which.
        series: figures of the deployment.
        at: when.
        fires: whether it has to.
    """

    alert: str
    series: dict[str, str]
    at: str
    fires: bool


def checks() -> list[Check]:
    found = []
    for alert, case in CASES.items():
        found.append(Check(alert, case.fires, case.at, True))
        found.append(Check(alert, case.calm, case.calm_at, False))
        found += [Check(alert, calm, LATER, False) for calm in CALM_TOO.get(alert, [])]
    return found


def group_of(some: list[Check]) -> dict[str, Any]:
    """One of promtool's tests."""
    series, tests = {}, []
    for number, check in enumerate(some):
        deployment = f'deployment="{check.alert} {number}"'
        series.update({name.replace(D, deployment): values for name, values in check.series.items()})
        mine = "" if check.alert in ALONE else f", {deployment}"
        tests.append(
            {
                "expr": f'count by (alertname) (ALERTS{{alertname="{check.alert}", alertstate="firing"{mine}}})',
                "eval_time": check.at,
                "exp_samples": [{"labels": f'{{alertname="{check.alert}"}}', "value": 1}]
                if check.fires
                else [],
            }
        )
    return {
        "interval": INTERVAL,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": tests,
    }  # fmt: skip


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    tool = program("promtool", "prometheus")
    return subprocess.run(
        [tool, *map(str, arguments)], capture_output=True, text=True, timeout=50, check=False
    )


def test_prometheus_accepts_the_configuration_and_every_rule() -> None:
    done = promtool("check", "config", CONFIGURATION)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules())} rules found" in done.stdout


def test_every_alert_fires_when_it_should_and_not_when_it_should_not(tmp_path: Path) -> None:
    together = [check for check in checks() if check.alert not in ALONE]
    tests = [group_of(together), *(group_of([check]) for check in checks() if check.alert in ALONE)]
    file = tmp_path / "rules.test.yml"
    document = {"rule_files": [str(RULES)], "evaluation_interval": INTERVAL, "tests": tests}
    file.write_text(yaml.safe_dump(document, sort_keys=False))

    done = promtool("test", "rules", file)

    assert done.returncode == 0, done.stdout + done.stderr


def test_no_alert_is_without_a_case() -> None:
    assert set(CASES) == set(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_what_is_wrong_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    page, _, part = rule["annotations"]["runbook"].partition("#")
    assert part in {anchor(heading) for heading in headings(ROOT / page)}


def test_rules_ask_for_metrics_that_there_are() -> None:
    told = {sample_name(family) for make in METRICS.values() for family in make().collect()}
    asked = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for rule in rules()
        # Those with a colon are what the rules themselves record.
        for name in re.findall(r"(?<![:\w])trunkline_\w+(?![:\w])", rule["expr"])
    }
    assert asked <= told

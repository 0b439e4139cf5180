"""Findings as people and programs read them."""

from __future__ import annotations

import io
import json
from dataclasses import replace

from rich.console import Console

from tests.deploy.diagnosis.test_checks import HEALTHY, SETTINGS, with_server
from trunkline.deploy.diagnosis import report
from trunkline.deploy.diagnosis.checks import diagnose
from trunkline.protocol.process.facts import Facts

ILL = replace(
    with_server({"maxmemory_policy": "allkeys-lru"}, unseen=("the configuration (CONFIG GET): may not",)),
    dead_letters=1,
)


def terminal(facts: Facts) -> str:
    shown = io.StringIO()
    report.show(Console(file=shown, width=80, highlight=False), facts, diagnose(facts, SETTINGS))
    return shown.getvalue()


def test_each_finding_has_its_fix_and_the_last_line_is_the_verdict() -> None:
    lines = report.lines(ILL, diagnose(ILL, SETTINGS))

    assert lines[0].startswith(
        "1 interface server, 2 workers, 5 connections, Redis 7.2.4 at redis://host; looked for"
    )
    assert "busiest: " in lines[0]
    (at,) = [
        index for index, line in enumerate(lines) if line.startswith("ERROR   redis://host: maxmemory-policy")
    ]
    assert lines[at + 1].startswith("  fix: redis-cli CONFIG SET maxmemory-policy noeviction")
    assert "not seen: the configuration (CONFIG GET): may not" in lines
    assert lines[-1] == "NOT HEALTHY: 1 error, 0 warnings"


def test_notes_alone_are_healthy() -> None:
    facts = replace(HEALTHY, dead_letters=1)

    lines = report.lines(facts, diagnose(facts, SETTINGS))

    assert any(line.startswith("NOTE") for line in lines)
    assert lines[-1].startswith("healthy")


def test_a_terminal_of_80_columns_shows_all_of_it() -> None:
    for facts in (HEALTHY, ILL):
        text = terminal(facts)
        assert max(map(len, text.splitlines())) <= 80
    words = " ".join(terminal(ILL).replace("│", " ").split())
    assert "ERROR redis://host: maxmemory-policy is allkeys-lru" in words and "NOT HEALTHY" in words
    assert "2 found" in words and "not seen" in words


def test_programs_get_findings_facts_and_a_verdict() -> None:
    told = json.loads(json.dumps(report.as_json(ILL, diagnose(ILL, SETTINGS))))

    assert told["schema"] == 1 and told["healthy"] is False
    assert [finding["check"] for finding in told["findings"]] == ["eviction", "dead-letters"]
    assert told["findings"][0].keys() == {"check", "severity", "where", "what", "fix"}
    assert told["facts"]["connections"] == 5 and len(told["unseen"]) == 1


def test_a_redis_that_is_away_is_told_first() -> None:
    facts = Facts(1.0, unavailable="Redis at redis://host: refused")

    assert report.lines(facts, diagnose(facts, SETTINGS))[0].startswith("nothing of the cluster can be seen")


def test_what_users_named_cannot_move_a_cursor() -> None:
    assert report.safe("a\x1b[2Jb\nc\td\ud800") == "a\\x1b[2Jb\\nc d\\ud800"


def test_shards_are_named_in_the_first_line_and_in_what_was_not_seen() -> None:
    servers = tuple(replace(HEALTHY.servers[0], shard=shard, unseen=("CONFIG GET",)) for shard in (0, 2))
    facts = replace(HEALTHY, servers=servers, away={1: "gone fishing"})

    first, *rest = report.lines(facts, diagnose(facts, SETTINGS))

    name = HEALTHY.servers[0].name
    assert (
        f"shard 0 (Redis 7.2.4 at {name}), shard 2 (Redis 7.2.4 at {name}); no answer from shard 1" in first
    )
    assert "not seen: shard 2: CONFIG GET" in rest

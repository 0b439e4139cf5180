"""Several Redises against one: whether it works, and when it says that it does not; never how fast."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from benchmarks.outcome import Outcome, judge
from benchmarks.peer import by_role
from benchmarks.processes import Cores
from benchmarks.quota import quota
from benchmarks.settings import BenchSettings
from benchmarks.shards import ONE, SEVERAL, ShardsSettings, main, text, workloads
from benchmarks.store import missing_store
from benchmarks.suite import Suite
from benchmarks.systems import TRUNKLINE
from tests.benchmarks.reports import run
from trunkline.protocol.errors import ConfigError


@contextmanager
def _impossible(share: float) -> Iterator[Callable[[int], None]]:
    raise ConfigError(f"no process can be held to {share:.1%} of a core here")
    yield


@pytest.fixture
def needs_redis() -> None:
    if reason := missing_store():
        pytest.fail(reason, pytrace=False)


def test_each_redis_has_the_same_load() -> None:
    made = workloads(ShardsSettings.model_validate({"redises": 4, "redis_share": 0.03}))
    several, one = made[SEVERAL], made[ONE]
    assert (several.shape.redises, one.shape.redises) == (4, 1)
    assert several.shape.redis_share == one.shape.redis_share == 0.03
    assert several.connections / 4 == one.connections == 400
    assert several.shape.concurrency / 4 == one.shape.concurrency == 100
    assert (several.fresh, several.kind, several.measure) == (one.fresh, one.kind, one.measure)


def test_several_may_get_together_the_load_of_one() -> None:
    several = workloads(ShardsSettings.model_validate({"grow_load": False}))[SEVERAL]
    assert (several.connections, several.shape.concurrency, several.shape.redises) == (400, 100, 2)


@pytest.mark.parametrize(
    ("figure", "words"), [(1700.0, "1.70x | kept |"), (1690.0, "1.69x | **not kept** |")]
)
def test_two_are_held_against_one_and_the_target(figure: float, words: str) -> None:
    two = workloads(ShardsSettings.model_validate({}))[SEVERAL]
    outcome = Outcome(SEVERAL, two, 400, runs={TRUNKLINE.name: [run(figure)], ONE: [run(1000.0)]})
    assert judge(outcome, two.limits[0]) == figure / 1000
    assert f"≥ 1.7x of one-shard | {words}" in text(outcome)


def test_runs_that_do_not_count_are_named() -> None:
    two = workloads(ShardsSettings.model_validate({}))[SEVERAL]
    outcome = Outcome(SEVERAL, two, 400, runs={TRUNKLINE.name: [run(None)], ONE: [run(1000.0)]})
    outcome.left_out[ONE] = "it did not come up\nits log"
    assert text(outcome).endswith(
        "void: shards, trunkline, run 1: 2 connections were lost\nleft out: shards: one-shard: it did not come up"
    )


def test_where_no_redis_can_be_held_the_command_says_so_and_fails(
    needs_redis: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.systems.quota", _impossible)
    assert main(["--pairs", "1"]) == 1
    assert (
        "left out: shards: trunkline: no process can be held to 5.0% of a core here"
        in capsys.readouterr().out
    )


@pytest.mark.timeout(600)
def test_both_make_the_trip_and_each_redis_is_held(needs_redis: None) -> None:
    share = 0.05
    try:
        with quota(share):
            pass
    except ConfigError as error:
        pytest.skip(str(error))  # a matter of the machine, not of what is installed on it
    tiny = BenchSettings.model_validate({"pairs": 1, "seconds": 0.5, "warm_up_s": 0.1})
    made = workloads(ShardsSettings.model_validate({"redis_share": share, "connections": 20}))

    outcome = Suite(tiny, Cores(None, None), [TRUNKLINE], lambda line: None, made).measure(SEVERAL)

    assert outcome.left_out == {}
    for name, redises in ((TRUNKLINE.name, 2), (ONE, 1)):
        (measured,) = outcome.runs[name]
        # Whether all else had cores to spare is no matter of this test.
        assert [fault for fault in measured.faults if "bottleneck" not in fault] == []
        report = measured.report
        roles = by_role(report.cpu_us)
        assert [len(roles["redis"]), len(roles["worker"]), len(roles["interface"])] == [redises, 1, 1]
        for redis in roles["redis"]:
            assert 0 < report.cpu_us[redis] / 1e6 < 1.5 * share * report.window_s


def test_a_wrong_flag_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--redises", "1"])
    assert "--redises" in capsys.readouterr().err

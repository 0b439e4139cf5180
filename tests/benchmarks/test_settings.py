"""What the suite can be told."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import main
from benchmarks.settings import BenchSettings
from benchmarks.workloads import WORKLOADS


def test_everything_is_run_when_nothing_is_said() -> None:
    settings = BenchSettings.model_validate({})
    assert set(settings.names()) == set(WORKLOADS)
    assert settings.complete
    assert settings.pairs >= 5


def test_what_has_a_target_comes_first() -> None:
    names = BenchSettings.model_validate({}).names()
    judged = [name for name in WORKLOADS if WORKLOADS[name].limits]
    others = [name for name in WORKLOADS if not WORKLOADS[name].limits]
    assert judged
    assert others
    assert names == judged + others


def test_a_quick_run_takes_some_workloads_short_and_heeds_what_else_is_said() -> None:
    settings = BenchSettings.model_validate({"quick": True, "pairs": 2})
    assert 0 < len(settings.names()) < len(WORKLOADS)
    assert (settings.pairs, settings.peers, settings.complete) == (2, [], False)
    assert settings.seconds < BenchSettings.model_validate({}).seconds


def test_the_workloads_that_are_named_are_run_in_that_order() -> None:
    settings = BenchSettings.model_validate({"only": ["single", "echo"], "quick": True})
    assert settings.names() == ["single", "echo"]
    assert not settings.complete


@pytest.mark.parametrize(
    ("flags", "words"),
    [(["--only", "ecco"], "'ecco' is no workload"), (["--peers", "nobody"], "'nobody' is no system")],
)
def test_what_is_none_is_refused_by_name(
    flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(flags)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err

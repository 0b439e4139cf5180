"""The plan of a soak can be made again from its seed, and has every fault in it."""

from __future__ import annotations

from tests.faults.soak.plan import BETWEEN_S, KINDS, Step, plan


def test_the_same_seed_makes_the_same_plan() -> None:
    assert plan(7, 600) == plan(7, 600)
    assert plan(7, 600) != plan(8, 600)


def test_a_longer_soak_begins_as_the_shorter() -> None:
    short = plan(7, 300)

    assert plan(7, 1800)[: len(short)] == short


def test_every_kind_of_fault_comes_up_in_a_few_minutes() -> None:
    assert {step.kind for step in plan(7, 600)} == set(KINDS)


def test_the_faults_go_on_to_the_end() -> None:
    steps = plan(7, 600)

    assert steps == sorted(steps)
    assert 600 - BETWEEN_S[1] <= steps[-1].at_s < 600


def test_a_step_says_what_it_does() -> None:
    assert str(Step(7.25, "worker kill", 3, 0.0)) == "    7.2 s  worker kill #3"
    assert str(Step(1260.0, "redis pause", 0, 2.0)) == " 1260.0 s  redis pause #0 for 2.0 s"

"""Whether the model can fail at all: without any one of the rules that the protocol relies on it must."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from . import machine
from .budget import LIMIT_S, search
from .machine import narrowed
from .store import Rules
from .test_safety import Groups, LostAsleep, LostWhileDying, Overflow, TakeOver

pytestmark = pytest.mark.timeout(LIMIT_S)

TAKE_OVER = narrowed(
    TakeOver, "frame", "worker_reads", "interface_goes_on", "worker_goes_on", "handler_begins", "handlers_end",
    "worker_is_taken_for_dead",
)  # fmt: skip
FALL = narrowed(
    machine.RedisFalls, "frame", "interface_goes_on", "worker_goes_on", "redis_loses_what_all_have_done_since"
)


WHERE: dict[str, type[RuleBasedStateMachine]] = {
    "ack_decides": TAKE_OVER,
    "numbers": machine.AnswersAreLost,
    "counted_each": machine.Machine,
    "one_in_flight": machine.Machine,
    "seqs": FALL,
    "tokens": narrowed(Groups, "frame", "interface_goes_on", "worker_goes_on", "mail_is_read"),
    "leaves_last": machine.Machine,
    "barrier": machine.InterfacesDie,
    "fencing": machine.InterfacesDie,
    "buried_stay": narrowed(
        LostWhileDying,
        "redis_falls_back",
        "redis_takes_a_call",
        "interface_loses_its_connection",
        "interface_is_taken_for_dead",
    ),
    "sleepers_stay": LostAsleep,
    "overflow_fences": Overflow,
    "restored": machine.RedisFalls,
    "republished": machine.RedisFalls,
    "reads_on": narrowed(
        Groups, "frame", "interface_goes_on", "mail_comes_before_the_answer_to_a_registration"
    ),
    "found_again": machine.AnswersAreLost,
    "early_is_asked": TAKE_OVER,
}
"""The machine that misses a rule soonest."""


def test_every_rule_is_taken_away_once() -> None:
    assert sorted(WHERE) == sorted(field.name for field in fields(Rules))


@pytest.mark.parametrize("rule", WHERE)
def test_without_any_one_rule_something_is_lost_or_twice_or_out_of_order(rule: str) -> None:
    broken = type("Broken", (WHERE[rule],), {"rules_": replace(Rules(), **{rule: False})})

    with pytest.raises(AssertionError):
        run_state_machine_as_test(broken, settings=search(2000))

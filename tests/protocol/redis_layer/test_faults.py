"""What nobody expected ends nothing else."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.waiting import until
from trunkline.protocol.redis_layer.faults import Survives, keep_doing


async def test_a_step_that_raises_is_told_and_does_not_end_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    steps: list[int] = []

    def step() -> None:
        steps.append(len(steps))
        if len(steps) % 2:
            raise ZeroDivisionError("in the step")

    loop = asyncio.create_task(keep_doing(step, 0.001, lambda: "worker=w0", "count to six"))
    await until(lambda: len(steps) >= 6)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)

    assert loop.cancelled()
    (record,) = caplog.records  # the others are suppressed: they say the same
    assert record.getMessage().startswith("worker=w0 failed to count to six\nTraceback")
    assert "in the step" in record.getMessage()


def test_what_survives_goes_on_behind_a_fault_and_tells_it_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Survives("worker=w0", "divide"):
        raise ZeroDivisionError("by us")
    with Survives("worker=w0", "do nothing wrong"):
        pass

    (record,) = caplog.records
    assert record.getMessage().startswith("worker=w0 failed to divide\nTraceback")
    assert "by us" in record.getMessage()


@pytest.mark.parametrize("passing", [asyncio.CancelledError, KeyboardInterrupt, SystemExit])
def test_what_ends_a_task_or_the_process_passes(
    passing: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(passing), Survives("worker=w0", "stop"):
        raise passing
    assert caplog.records == []

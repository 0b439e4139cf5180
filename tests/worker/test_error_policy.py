from __future__ import annotations

from typing import Any

import pytest

from trunkline.protocol.errors import ConfigError
from trunkline.worker.error_policy import ErrorPolicy, retry


def test_a_retry_has_a_number_and_a_first_wait() -> None:
    assert retry(3) == ErrorPolicy("retry", 3, 1.0)
    assert retry(1, backoff_s=0) == ErrorPolicy("retry", 1, 0.0)


@pytest.mark.parametrize("times", [0, -1, 101, 1.5, "3", True])
def test_a_number_of_retries_that_makes_no_sense_is_refused(times: Any) -> None:
    with pytest.raises(ConfigError, match="times"):
        retry(times)


@pytest.mark.parametrize("backoff_s", [-1, float("nan"), 3601, "1"])
def test_a_wait_that_makes_no_sense_is_refused(backoff_s: Any) -> None:
    with pytest.raises(ConfigError, match="backoff_s"):
        retry(1, backoff_s)

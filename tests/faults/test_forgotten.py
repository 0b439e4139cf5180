"""What Redis may forget is a moment: a loss before or behind it is found, or cases that forget would say nothing."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.cases import FORGOTTEN, REDIS_WITHIN_S, Case, Strike
from tests.faults.conftest import Clusters
from tests.faults.redis_faults import forgot_once
from tests.faults.scene import MEMORABLE, Scene

pytestmark = [pytest.mark.faults, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


async def _before(scene: Scene) -> None:
    """A loss that the case does not tell of, and then one that it does."""
    await forgot_once(scene)
    await scene.has_a_past(scene.load.sent + MEMORABLE)
    scene.struck_s = scene.forgot_from_s = asyncio.get_running_loop().time()
    await forgot_once(scene)


async def _behind(scene: Scene) -> None:
    """The other way round."""
    scene.forgot_from_s = asyncio.get_running_loop().time()
    await forgot_once(scene)
    await scene.has_a_future()
    told_s = scene.mended_s
    await forgot_once(scene)
    scene.mended_s = told_s


@pytest.mark.parametrize("strike", [_before, _behind])
async def test_what_is_lost_outside_of_the_moment_breaks_the_promise(
    strike: Strike, clusters: Clusters
) -> None:
    case = Case("a loss too many", strike, FORGOTTEN, REDIS_WITHIN_S)
    with pytest.raises(AssertionError, match=r"a loss too many: .*sessions lost \d+"):
        await clusters.play(case)

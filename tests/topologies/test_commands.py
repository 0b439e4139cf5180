"""The commands on a Redis that Sentinel watches: a cluster is started, looked at, failed over, looked at, stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import redis_server as servers
from tests.support.commands import TRUNKLINE, Done, command, up_of_one
from tests.support.process import START_WITHIN_S, Process
from tests.support.processes import new_prefix
from tests.support.sentinels import SentinelSet, sentinel_set
from tests.support.waiting import until
from trunkline.protocol.exit_codes import ExitCode

pytestmark = [pytest.mark.topologies, pytest.mark.timeout(300)]

ROUTING = "examples.chat.routing"


@pytest.fixture(scope="module")
def watched() -> Iterator[SentinelSet]:
    """A primary with one replica, watched by two Sentinels."""
    binary = servers.find_binary()
    if binary is None:
        pytest.fail(servers.MISSING, pytrace=False)
    with sentinel_set(binary, replicas=1, sentinels=2) as made:
        yield made


async def test_a_cluster_is_well_again_behind_a_fail_over(watched: SentinelSet, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    environ = {"TRUNKLINE_REDIS_URL": watched.url, "TRUNKLINE_PREFIX": new_prefix()}

    async def run(*words: str | Path) -> Done:
        return await asyncio.to_thread(command, *words, environ=environ)

    up = await run(*up_of_one(ROUTING, folder))
    assert up.code == 0, up.printed
    try:
        status = await run("status", "--run-dir", folder)
        assert status.code == 0, status.printed
        assert f"at {watched.url}, now 127.0.0.1:{watched.primary.port}" in status.out

        await asyncio.to_thread(watched.fail_over)

        async def well() -> bool:
            status = await run("status", "--run-dir", folder)
            return status.code == 0 and f", now 127.0.0.1:{watched.primary.port}" in status.out

        await until(well, 60, "the cluster is well, on the other primary")
        dead = await run("dead", "list", "--run-dir", folder)
        assert (dead.code, dead.out.splitlines()[-1]) == (0, "dead letters kept: 0"), dead.printed
    finally:
        down = await run("down", "--run-dir", folder)
    assert down.code == 0, down.printed


async def test_dev_carries_its_messages_over_it(watched: SentinelSet, tmp_path: Path) -> None:
    url = ["--redis-url", watched.url]
    words = [*TRUNKLINE, "dev", ROUTING, "--no-reload", "--port", "0", *url]
    process = Process("dev", words, tmp_path / "log")
    try:
        await process.says("serving examples.chat.routing at http", START_WITHIN_S)
        process.terminate()
        assert await process.ends() == 0
    finally:
        process.stop()


async def test_where_no_sentinel_answers_a_cluster_does_not_start_and_says_why(tmp_path: Path) -> None:
    url = "redis+sentinel://u:s3cret@127.0.0.1:1,127.0.0.1:2/main"
    done = await asyncio.to_thread(
        command, *up_of_one(ROUTING, tmp_path / "run"), environ={"TRUNKLINE_REDIS_URL": url}
    )
    assert done.code == ExitCode.NO_REDIS
    assert "trunkline up: no Sentinel tells where the Redis 'main' is: 127.0.0.1:1: " in done.err
    assert "s3cret" not in done.printed and "Traceback" not in done.printed

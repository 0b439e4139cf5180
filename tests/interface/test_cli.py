"""The command."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator

import aiohttp
import pytest

from tests.interface.conftest import settings
from tests.interface.test_trip import worker
from tests.support.fake_layer import FakeLayer
from tests.support.waiting import until
from trunkline.interface import cli
from trunkline.interface.cli import main, serve
from trunkline.interface.heartbeat import Wheel
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.memory import MemoryBus


@pytest.fixture
def root_logger() -> Iterator[None]:
    """Gives the root logger back as it was: the command sets it up for a process of its own."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_help_names_every_flag_with_its_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as found:
        main(["--help"])

    assert found.value.code == 0
    text = capsys.readouterr().out
    for flag, variable in (
        ("--allowed-origins", "TRUNKLINE_ALLOWED_ORIGINS"),
        ("--max-connections", "TRUNKLINE_MAX_CONNECTIONS"),
        ("--static", "TRUNKLINE_STATIC"),
    ):
        assert flag in text
        assert variable in text


def test_a_wrong_value_ends_it_before_anything_starts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as found:
        main(["--port", "99999"])

    assert found.value.code == ExitCode.USAGE
    assert "--port" in capsys.readouterr().err


@pytest.mark.usefixtures("root_logger")
def test_without_redis_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--port", "0", "--redis-url", "unix:///nonexistent/redis.sock", "--loop", "asyncio"])

    assert code == ExitCode.NO_REDIS
    assert "nonexistent" in capsys.readouterr().err


async def test_it_serves_until_it_is_told_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    layers: list[FakeLayer] = []
    monkeypatch.setattr(cli, "settle_gc", lambda: None)

    def make() -> FakeLayer:
        layers.append(FakeLayer(worker))
        return layers[-1]

    stop = asyncio.Event()
    serving = asyncio.create_task(serve(settings(), make, MemoryBus().operator(), stop))
    await until(lambda: layers and layers[0].info is not None)
    assert layers[0].info is not None
    admin = f"http://{layers[0].info.admin}"
    async with aiohttp.ClientSession() as client:
        async with client.get(f"{admin}/ready") as response:
            assert response.status == 200
        async with client.get(f"{admin}/trip") as response:
            assert response.status == 200
            assert "worker=w1" in await response.text()
        layers[0].receiver.away()
        async with client.get(f"{admin}/ready") as response:
            assert response.status == 503
        async with client.get(f"{admin}/metrics") as response:
            metrics = await response.text()
            assert "trunkline_redis_up 0.0" in metrics
            assert "trunkline_live_workers 0.0" in metrics
    stop.set()

    assert await serving == ExitCode.OK
    assert layers[0].retired


async def test_a_background_loop_that_dies_ends_it_with_a_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cli, "settle_gc", lambda: None)

    def broken(self: object) -> None:
        raise RuntimeError("wheel broken")

    monkeypatch.setattr(Wheel, "turn", broken)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(10):
            code = await serve(
                settings(ping_interval_s=0.01), FakeLayer, MemoryBus().operator(), asyncio.Event()
            )
    assert code == ExitCode.LOOP_DIED

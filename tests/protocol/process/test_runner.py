"""The runner: loops, signals sent to a real process, exit codes, background loops that die."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import uvloop

from tests.support.waiting import until
from trunkline.protocol.errors import ConfigError, LayerUnavailable, RoutingError
from trunkline.protocol.exit_codes import ExitCode
from trunkline.protocol.process import runner
from trunkline.protocol.process.runner import loop_factory, run, settle_gc, supervise

CHILD = """
import asyncio, sys
from trunkline.protocol.process import logs, runner
logs.setup("info", "child")
runner.ONE_STOP_S = float(sys.argv[1])

async def main(stop):
    print("up", flush=True)
    await stop.wait()
    print("draining", flush=True)
    if sys.argv[2] == "hang":
        await asyncio.Event().wait()
    elif sys.argv[2] == "until-told":
        await asyncio.to_thread(sys.stdin.readline)
    return 0

sys.exit(runner.run(main, "asyncio"))
"""


class Child:
    """A process that `run`s, spoken to by signals and lines."""

    def __init__(self, one_stop_s: float, what: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(one_stop_s), what],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self, told: str | None = None) -> tuple[int, str]:
        _, err = self.process.communicate(told, timeout=20)
        return self.process.returncode, err


@pytest.fixture
def children() -> Iterator[list[Child]]:
    started: list[Child] = []
    yield started
    for child in started:
        if child.process.poll() is None:
            child.process.kill()
            child.process.communicate()


def start(children: list[Child], one_stop_s: float, what: str) -> Child:
    children.append(Child(one_stop_s, what))
    assert children[-1].line() == "up"
    return children[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_drains_and_exits_with_what_main_returns(
    children: list[Child], number: signal.Signals
) -> None:
    child = start(children, 0.5, "drain")
    child.process.send_signal(number)
    assert child.line() == "draining"
    code, err = child.end()
    assert code == ExitCode.OK and f"stopping signal={number.name}" in err


def test_a_later_signal_ends_the_process_at_once(children: list[Child]) -> None:
    child = start(children, -1.0, "hang")
    child.process.send_signal(signal.SIGTERM)
    assert child.line() == "draining"
    child.process.send_signal(signal.SIGINT)
    code, err = child.end()
    assert code == ExitCode.FAILED and "nothing more is drained signal=SIGINT" in err


def test_two_signals_close_together_are_one_wish(children: list[Child]) -> None:
    child = start(children, 3600.0, "until-told")
    child.process.send_signal(signal.SIGINT)
    assert child.line() == "draining"
    child.process.send_signal(signal.SIGTERM)
    code, _ = child.end("finish\n")
    assert code == ExitCode.OK


def test_signals_drain_first_and_then_end_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []

    async def main(stop: asyncio.Event) -> int:
        loop = asyncio.get_running_loop()
        later, over = asyncio.Event(), asyncio.Event()

        def end_at_once(code: int) -> None:
            ended.append(code)
            over.set()

        loop.add_signal_handler(signal.SIGUSR1, later.set)
        monkeypatch.setattr(os, "_exit", end_at_once)
        signal.raise_signal(signal.SIGTERM)
        await stop.wait()
        # when a signal follows that belongs to the first (a third one shows that the loop has seen it)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGUSR1)
        await later.wait()
        assert not ended
        # and then one that does not
        monkeypatch.setattr(runner, "ONE_STOP_S", -1.0)
        signal.raise_signal(signal.SIGINT)
        await over.wait()
        return 0

    assert run(main, "asyncio") == 0
    assert ended == [ExitCode.FAILED]


async def seven(stop: asyncio.Event) -> int:
    return 7


def test_run_returns_what_main_returns_and_leaves_the_signals_as_they_were() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    assert run(seven) == 7
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RoutingError("routing.py:3: no such module"), ExitCode.ROUTING),
        (ConfigError("--port is taken"), ExitCode.USAGE),
        (LayerUnavailable("Redis does not answer"), ExitCode.NO_REDIS),
    ],
)
def test_an_error_that_has_an_exit_code_is_printed_without_a_traceback(
    error: Exception, code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    async def main(stop: asyncio.Event) -> int:
        raise error

    assert run(main) == code
    assert capsys.readouterr().err == f"{error}\n"


def test_any_other_error_comes_through() -> None:
    async def main(stop: asyncio.Event) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(main)


@pytest.mark.parametrize(("loop", "is_uvloop"), [("auto", True), ("uvloop", True), ("asyncio", False)])
def test_the_loop_is_the_one_asked_for(loop: str, is_uvloop: bool) -> None:
    async def main(stop: asyncio.Event) -> int:
        return int(isinstance(asyncio.get_running_loop(), uvloop.Loop))

    assert run(main, loop) == is_uvloop


def test_without_uvloop_auto_takes_asyncio_and_uvloop_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loop_factory("auto") is asyncio.new_event_loop
    assert run(seven, "uvloop") == ExitCode.USAGE
    assert "'pip install uvloop' or --loop asyncio" in capsys.readouterr().err


def test_what_a_started_process_holds_is_taken_out_of_the_collectors_sight() -> None:
    before = gc.get_freeze_count()
    try:
        settle_gc()
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()


class Deaths:
    def __init__(self) -> None:
        self.first: asyncio.Future[tuple[str, BaseException | None]] = (
            asyncio.get_running_loop().create_future()
        )

    def __call__(self, name: str, error: BaseException | None) -> None:
        self.first.set_result((name, error))


async def test_a_background_loop_that_raises_is_logged_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    deaths = Deaths()

    async def fail() -> None:
        raise ValueError("broken")

    supervised = supervise("reaper", fail, deaths)
    name, error = await deaths.first
    assert name == "reaper" and isinstance(error, ValueError) and not supervised.alive
    assert "a background loop died loop=reaper" in caplog.text and "ValueError: broken" in caplog.text


async def test_a_background_loop_that_simply_ends_is_reported() -> None:
    deaths = Deaths()

    async def end() -> None:
        return

    supervise("lease", end, deaths)
    assert await deaths.first == ("lease", None)


async def test_a_background_loop_that_dies_of_a_cancelled_future_is_reported() -> None:
    deaths = Deaths()
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        await future

    supervise("reader", wait, deaths)
    future.cancel()
    name, error = await deaths.first
    assert name == "reader" and isinstance(error, asyncio.CancelledError)


async def test_a_background_loop_that_is_stopped_is_no_death() -> None:
    deaths, cleaned = Deaths(), asyncio.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    supervised = supervise("reader", forever, deaths)
    started = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(started.set_result, None)
    await started  # the loop has begun
    assert supervised.alive and supervised.name == "reader"
    await supervised.stop()
    await supervised.stop()  # idempotent
    assert cleaned.is_set() and not supervised.alive and not deaths.first.done()


async def test_a_background_loop_that_loses_its_cancellation_is_stopped_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner, "CANCEL_AGAIN_S", 0.01)
    deaths = Deaths()
    waiting: list[asyncio.Event] = []

    async def loses_one() -> None:
        while len(waiting) < 3:
            waiting.append(asyncio.Event())
            with contextlib.suppress(asyncio.CancelledError):
                await waiting[-1].wait()
        await asyncio.Event().wait()

    supervised = supervise("turns", loses_one, deaths)
    await until(lambda: waiting)
    await supervised.stop()

    assert len(waiting) == 3 and not supervised.alive and not deaths.first.done()

"""What tracing must not do, and how the rest of a process looks while it traces: logs, levels, ends."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.commands import PATHS, command
from tests.support.own_processes import end_well
from tests.support.processes import Processes
from tests.support.redis_server import RedisServer
from tests.support.sockets import Client
from tests.tracing.conftest import APP
from trunkline.deploy.log_lines import pretty
from trunkline.protocol.exit_codes import ExitCode


def nobody_listens() -> str:
    """An address at which no collector answers."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{found.getsockname()[1]}"


async def test_a_collector_that_is_away_harms_no_message_and_no_end(
    redis_server: RedisServer, tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", nobody_listens())
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    processes = Processes(redis_server.url, redis_server.fresh_prefix(), tmp_path)
    try:
        interface = processes.interface("--trace-sample", "1", "--log-format", "json")
        worker = processes.worker("--trace-sample", "1", "--log-format", "json", routing=APP)
        listening = await interface.says(r'"address": "(\S+?)"', 120)
        await worker.says("worker is ready", 120)
        opened = await client.open(f"{listening[1]}/echo")
        for number in range(50):
            await opened.send(str(number))
        assert await opened.hears(50, 60) == [str(number) for number in range(50)]
        assert await processes.metric(interface, "spans_total") > 0
        assert await processes.metric(interface, "spans_exported_total") == 0
        await opened.close()
        for process in (interface, worker):
            process.terminate()
            assert await process.ends() == ExitCode.OK
        _logs_are_json(worker.text())
    finally:
        end_well(processes)


def _logs_are_json(text: str) -> None:
    lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    echoed = [line for line in lines if line["message"].startswith("an echo")]
    assert len(echoed) == 50
    told = echoed[0]
    assert (told["level"], told["logger"], told["role"]) == ("INFO", "tests.app", "worker")
    assert (told["channel"], told["route"], told["letters"]) == ("websocket.receive", f"{APP}.echo", 1)
    assert told["message_id"] == f"{told['connection']}:1"
    assert len(told["trace_id"]) == 32 and len(told["span_id"]) == 16
    assert told["process"].startswith("w")
    assert f"connection={told['connection']}" in pretty(json.dumps(told))


def test_without_the_extra_a_process_says_what_to_install(redis_server: RedisServer, tmp_path: Path) -> None:
    missing = tmp_path / "opentelemetry"
    missing.mkdir()
    (missing / "__init__.py").write_text("raise ImportError('No module named opentelemetry')\n")
    common = ["--redis-url", redis_server.url, "--prefix", redis_server.fresh_prefix()]
    for verb in (["worker", "tests.support.fault_app"], ["interface", "--port", "0"]):
        done = command(*verb, *common, "--trace-sample", "1", environ={"PYTHONPATH": f"{tmp_path}:{PATHS}:."})
        assert done.code == ExitCode.USAGE, done.printed
        assert "pip install 'trunkline[otel]'" in done.err
        assert "Traceback" not in done.printed


async def levels(cluster: Processes) -> list[str]:
    """What each process logs now."""
    leases = [await cluster.lease(process) for process in cluster.all()]
    found = []
    async with aiohttp.ClientSession() as session:
        for lease in leases:
            assert lease is not None
            async with session.get(f"http://{lease.admin}/log-level") as answer:
                found.append((await answer.json())["level"])
    return found


async def test_the_command_changes_the_level_of_every_process_and_takes_it_back(cluster: Processes) -> None:
    common = ["--redis-url", cluster.url, "--prefix", cluster.settings.prefix]
    done = await asyncio.to_thread(command, "log-level", "debug", *common)
    assert done.code == ExitCode.OK, done.printed
    assert await levels(cluster) == ["debug"] * 3
    for process in cluster.all():
        assert f"[{process.pid}]  debug" in done.out
    done = await asyncio.to_thread(
        command, "log-level", "warning", *common, "--role", "worker", "--for-s", "600"
    )
    assert "warning, for 600 s" in done.out
    assert await levels(cluster) == ["debug", "debug", "warning"]
    done = await asyncio.to_thread(command, "log-level", "setting", *common, "--json")
    answers = json.loads(done.out)
    assert [answer["levels"]["level"] for answer in answers] == ["info"] * 3
    assert await levels(cluster) == ["info"] * 3


async def test_the_command_says_whom_it_could_have_asked(cluster: Processes) -> None:
    common = ["--redis-url", cluster.url, "--prefix", cluster.settings.prefix]
    done = await asyncio.to_thread(command, "log-level", "debug", *common, "--process", "w0")
    assert done.code == ExitCode.NOT_RUNNING
    assert cluster.workers[0].id in done.err
    done = await asyncio.to_thread(command, "log-level", "debug", *common, "--logger", "a b")
    assert (done.code, "expected the name of a logger" in done.err) == (ExitCode.USAGE, True)
    done = await asyncio.to_thread(command, "log-level", "loud", *common)
    assert (done.code, "Traceback" in done.err) == (ExitCode.USAGE, False)
    done = await asyncio.to_thread(
        command, "log-level", "debug", *common, "--logger", "an.app", "--process", cluster.workers[0].id
    )
    assert "debug for an.app" in done.out

"""The runbooks of docs/operations.md, played on a cluster that ``trunkline up`` started.

Each incident is caused, looked at by the commands of the page, mended by them, and over when the page says so.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.commands import PATHS, ROOT
from tests.support.redis_server import MISSING, find_binary, folder
from tests.support.runbooks import WITHIN_S, Runbook, Site, headings, section, site
from tests.support.sockets import Client, Socket
from tests.support.waiting import until
from trunkline.protocol.names import RECEIVE

pytestmark = pytest.mark.timeout(1200)

MESSAGE_BURST, MAX_CONNECTIONS, WORKERS = 40, 30, 2
ENVIRON = {
    # Nobody shall be declared dead of whom no runbook says so, however busy the machine.
    "TRUNKLINE_INTERFACE_LEASE_S": "8",
    "TRUNKLINE_WORKER_LEASE_S": "5",
    "TRUNKLINE_HANDLER_TIMEOUT_S": "3",
    "TRUNKLINE_MAX_WAIT_S": "1",
    "TRUNKLINE_MESSAGE_RATE": "20",
    "TRUNKLINE_MESSAGE_BURST": str(MESSAGE_BURST),
    "TRUNKLINE_MAX_CONNECTIONS": str(MAX_CONNECTIONS),
    # Signals move the wall clock of each process: see the module there.
    "PYTHONPATH": os.pathsep.join([PATHS, str(ROOT / "tests" / "faults" / "clock")]),
}
AWAY = "Redis does not answer"
HOUR_S = 3600.0
BROKEN = """
from trunkline.worker import route

def answer(message):
    raise RuntimeError("as it was told")

channel_routing = [route("websocket.receive", answer)]
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The cluster of all runbooks; each leaves it as it was."""
    binary = find_binary()
    if binary is None:
        pytest.fail(MISSING, pytrace=False)
    with folder() as place, site(tmp_path_factory.mktemp("runbooks"), place, binary, ENVIRON) as found:
        yield found


@pytest.fixture
async def book(running: Site, request: pytest.FixtureRequest) -> AsyncIterator[Runbook]:
    """The runbook that the test names."""
    await running.healthy()
    logged = {role: len(running.log(role)) for role in ("interface", "worker")}
    found = Runbook(running, section(request.param), await running.leases(), logged)
    yield found
    found.complete()
    await running.healthy()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Opens WebSockets."""
    async with Client() as opened:
        yield opened


def runbook(heading: str) -> pytest.MarkDecorator:
    """Says which runbook a test plays."""
    return pytest.mark.parametrize("book", [heading], indirect=True, ids=["page"])


def test_every_runbook_is_played() -> None:
    played = re.findall(r'^@runbook\("(.+)"\)$', Path(__file__).read_text(), re.MULTILINE)
    assert played == headings("Runbooks")


@runbook("Redis does not answer")
async def test_redis_does_not_answer(book: Runbook, client: Client) -> None:
    socket = await client.open(book.site.url("/echo/a"))
    book.site.redis.process.pause()
    try:
        await book.logs("interface", AWAY)
        await book.types_until("trunkline status", "NOT HEALTHY")
        await until(lambda: _all(book, "interface", 503), WITHIN_S, "interface servers are not ready")
        status, retry = await book.knocks()
        assert (status, 1 <= int(retry) <= 5) == (503, True)
        await socket.send("said meanwhile")
    finally:
        book.site.redis.process.resume()
    assert await socket.hears(1, WITHIN_S) == ["said meanwhile"]
    assert book.asks_redis("redis-cli PING") in (True, b"PONG")
    await book.logs("interface", "Redis answers again")
    await until(lambda: _all(book, "interface", 200), WITHIN_S, "interface servers are ready")
    assert (await book.knocks())[0] == 101


async def _all(book: Runbook, role: str, status: int) -> bool:
    return {answer for answer, _ in await book.ready(role)} == {status}


@runbook("Redis is out of memory")
async def test_redis_is_out_of_memory(book: Runbook, client: Client) -> None:
    socket = await client.open(book.site.url("/echo/a"))
    book.site.data.config_set("maxmemory", "1")
    try:
        await socket.send("said meanwhile")
        await book.logs("interface", "OOM command not allowed")
        await until(lambda: _any(book, "interface", 503), WITHIN_S, "an interface server is not ready")
        memory = book.asks_redis("redis-cli INFO memory")
        assert memory["used_memory"] > memory["maxmemory"] == 1
        assert memory["maxmemory_policy"] == "noeviction"
        await book.types_until("trunkline doctor", "maxmemory")
        assert (await book.knocks())[0] == 503
        book.asks_redis("redis-cli CONFIG SET maxmemory 8gb")
        assert await socket.hears(1, WITHIN_S) == ["said meanwhile"]
        assert book.type("trunkline dead list --summary").code == 0
        await until(lambda: _all(book, "interface", 200), WITHIN_S, "interface servers are ready")
    finally:
        book.site.data.config_set("maxmemory", "0")


async def _any(book: Runbook, role: str, status: int) -> bool:
    return status in {answer for answer, _ in await book.ready(role)}


@runbook("Redis' disk is full")
async def test_the_disk_of_redis_is_full(book: Runbook, client: Client) -> None:
    socket = await client.open(book.site.url("/echo/a"))
    book.site.redis.fill_disk()
    try:
        await socket.send("said meanwhile")
        await book.logs("interface", "MISCONF")
        assert (await book.knocks())[0] == 503
        assert book.asks_redis("redis-cli INFO persistence")["aof_last_write_status"] == "err"
        await book.types_until("trunkline doctor", "append-only file")
    finally:
        book.site.redis.free_disk()
    assert await socket.hears(1, WITHIN_S) == ["said meanwhile"]
    await until(lambda: _all(book, "interface", 200), WITHIN_S, "interface servers are ready")


@runbook("The queue grows")
async def test_the_queue_grows(book: Runbook, client: Client) -> None:
    sockets = [await client.open(book.site.url(f"/trouble/{number}")) for number in range(20)]
    for socket in sockets:
        await socket.send("slow")
        await socket.send("slow")
    stream = book.site.keys.stream(RECEIVE)
    await until(lambda: book.site.data.xlen(stream) > WORKERS, WITHIN_S, "messages wait")
    await book.types_until("trunkline status", r"websocket\.receive +[1-9]")
    await until(lambda: _knocks(book, 503), WITHIN_S, "newcomers are refused")
    assert await book.metric("interface", 'trunkline_turned_away_total{reason="busy"}') >= 1
    assert book.type("trunkline scale --workers 6").code == 0
    for socket in sockets:
        await socket.hears(2, WITHIN_S)
    await until(lambda: _knocks(book, 101), WITHIN_S, "newcomers are let in")
    assert book.site.do("scale", "--workers", str(WORKERS)).code == 0


async def _knocks(book: Runbook, status: int) -> bool:
    return (await book.knocks())[0] == status


@runbook("Errors since a deploy")
async def test_errors_since_a_deploy(book: Runbook, client: Client, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    started = book.site.do(
        "deploy", "start", "--code", str(tmp_path), "--module", "broken", "--code-version", "v2", "--percent", "100",
        "--start-timeout-s", "300",
    )  # fmt: skip
    assert started.code == 0, started.printed
    socket = await _on_the_new_code(book, client)
    summary = book.type("trunkline dead list --summary --since 15m")
    assert "broken.answer" in summary.out
    letter = json.loads(book.site.do("dead", "list", "--json").out)["letters"][0]
    shown = book.type("trunkline dead show ID", ID=letter["id"])
    assert "code        v2" in shown.out
    assert "RuntimeError: as it was told" in shown.out
    assert "v2" in book.type("trunkline deploy status").out
    assert book.type("trunkline deploy rollback").code == 0
    assert book.type("trunkline dead redrive --all --since 15m").code == 0
    assert await socket.hears(1, WITHIN_S) == ["said to new code"]
    assert "dead letters kept: 0" in book.type("trunkline dead list").out


async def _on_the_new_code(book: Runbook, client: Client) -> Socket:
    """A connection whose message the new code has kept as a dead letter. The old code answers until interface servers
    have heard of the share."""

    def decided() -> bool:
        return bool(socket.heard) or book.site.data.xlen(book.site.keys.dead()) == 1

    while True:
        socket = await client.open(book.site.url("/echo/a"))
        await socket.send("said to new code")
        await until(decided, WITHIN_S, "an answer, or a dead letter")
        if not socket.heard:
            return socket


@runbook("A message kills workers")
async def test_a_message_kills_workers(book: Runbook, client: Client) -> None:
    socket = await client.open(book.site.url("/trouble/killer"))
    await socket.send("die")
    await socket.send("said behind it")
    assert await socket.hears(1, WITHIN_S) == ["said behind it"]
    await book.logs("worker", "poison")
    listed = book.type("trunkline dead list --reason poison")
    assert "poison" in listed.out
    assert book.type("trunkline status").out.count("worker [") >= 3
    letter = json.loads(book.site.do("dead", "list", "--json").out)["letters"][0]
    shown = book.type("trunkline dead show ID", ID=letter["id"])
    assert 'message     "die"' in shown.out
    assert book.type("trunkline dead drop ID", ID=letter["id"]).code == 0
    assert await book.metric("worker", "trunkline_redeliveries_total") >= 1


@runbook("A handler hangs")
async def test_a_handler_hangs(book: Runbook, client: Client) -> None:
    socket = await client.open(book.site.url("/trouble/stuck"))
    await socket.send("stuck")
    assert await socket.hears(1, WITHIN_S) == ["stuck"]
    await book.logs("worker", "stuck_in_a_loop")
    # The supervisor misses the code of a process that ends in the moment between two of its looks.
    await book.types_until("trunkline status", r"ended with (5|None)")
    assert "stuck_in_a_loop" in book.type("trunkline logs --role worker --lines 60").out


@runbook("An interface server dies")
async def test_an_interface_server_dies(book: Runbook, client: Client) -> None:
    sockets = [await client.open(book.site.url(f"/echo/{number}")) for number in range(20)]
    victim, _ = book.site.pids("interface")
    os.kill(victim, signal.SIGKILL)
    await book.types_until("trunkline status", rf"interface \[{victim}\] ended with (-9|None)")
    await until(lambda: any(socket.code is not None for socket in sockets), WITHIN_S, "sockets end")
    assert {socket.code for socket in sockets} <= {None, aiohttp.WSCloseCode.ABNORMAL_CLOSURE}
    await book.logs("worker", "reaper published disconnects")
    assert (await book.knocks())[0] == 101


@runbook("One client floods")
async def test_one_client_floods(book: Runbook, client: Client) -> None:
    socket = await client.open(book.site.url("/echo/flood"))
    for number in range(MESSAGE_BURST * 5):
        await socket.send(str(number))
    await socket.ended()
    assert socket.code == aiohttp.WSCloseCode.POLICY_VIOLATION
    await book.logs("interface", "turning clients away reason=message_rate")
    assert await book.metric("interface", 'trunkline_turned_away_total{reason="message_rate"}') >= 1
    assert await book.metric("interface", 'trunkline_closes_total{code="1008"}') >= 1


@runbook("Handshakes are refused")
async def test_handshakes_are_refused(book: Runbook, client: Client) -> None:
    refused = 0
    for number in range(4 * MAX_CONNECTIONS):
        try:
            await client.open(book.site.url(f"/echo/{number}"))
        except aiohttp.WSServerHandshakeError as answer:
            refused = answer.status
            break
    assert refused == 503
    await book.logs("interface", "turning clients away reason=")
    assert await book.metric("interface", 'trunkline_turned_away_total{reason="connections"}') >= 1
    assert re.search(r"interface +\w+ +\S+ +30 ", book.type("trunkline status").out)
    assert f"connections={MAX_CONNECTIONS}\n" in book.site.log("interface")


@runbook("An interface server is fenced")
async def test_an_interface_server_is_fenced(book: Runbook, client: Client) -> None:
    sockets = [await client.open(book.site.url(f"/echo/{number}")) for number in range(20)]
    victim, _ = book.site.pids("interface")
    os.kill(victim, signal.SIGSTOP)
    try:
        await book.types_until("trunkline status", "no lease")
        await book.logs("worker", "reaper published disconnects")
    finally:
        os.kill(victim, signal.SIGCONT)
    await book.logs("interface", "was declared dead and is fenced")
    await book.logs("interface", "started over interface=")
    assert "is fenced" in book.type("trunkline logs --role interface").out
    await until(
        lambda: any(socket.code is not None for socket in sockets), WITHIN_S, "its sockets are closed"
    )
    assert {socket.code for socket in sockets} <= {None, aiohttp.WSCloseCode.SERVICE_RESTART}
    assert await book.metric("interface", "trunkline_fenced_total") >= 1


@runbook("A clock is wrong")
async def test_a_clock_is_wrong(book: Runbook, client: Client) -> None:
    socket = await client.open(book.site.url("/echo/a"))
    processes = book.site.pids("interface")
    for pid in processes:
        os.kill(pid, signal.SIGUSR1)
    try:
        await socket.send("said in the future")
        assert await socket.hears(1, WITHIN_S) == ["said in the future"]
        # Of the newest entry that was read, so something must have come since.
        assert await book.metric("interface", "trunkline_mailbox_lag_seconds") > HOUR_S / 2
        await book.types_until("trunkline doctor", "clock")
        seconds, _ = book.asks_redis("redis-cli TIME")
        assert seconds > 0
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGUSR2)
    await socket.send("said in the present")
    await socket.hears(2, WITHIN_S)
    assert await book.metric("interface", "trunkline_mailbox_lag_seconds") < HOUR_S / 2

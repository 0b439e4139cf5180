"""The reference says what the code does: its tables, and the codes and reasons that its sentences explain."""

from __future__ import annotations

import ast
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.docs.reference import DOCUMENT, METRICS, VERBS, labels_of, sample_name, written
from tests.support.processes import Processes
from tests.support.redis_server import RedisServer
from trunkline.deploy import cli, dead, deploy_verbs
from trunkline.interface import frames
from trunkline.protocol.settings import LayerSettings, LoopSettings, parse

ROOT = Path(__file__).parents[2]
TEXT = DOCUMENT.read_text()


def section(title: str) -> str:
    """A section of the document, with those below it."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^\1 |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[2]


def first_cells(text: str) -> set[str]:
    """What stands in the first column of the tables of a text."""
    return {cell.strip("`") for cell in re.findall(r"^\| (\S+) \|", text, re.MULTILINE)}


def code_of(*modules: str) -> str:
    """The source of some modules."""
    return "\n".join((ROOT / module).read_text() for module in modules)


INTERFACE = sorted(
    path.relative_to(ROOT).as_posix() for path in (ROOT / "interface/trunkline/interface").glob("*.py")
)


def test_its_tables_are_those_of_the_code() -> None:
    assert written(TEXT) == TEXT, "run .venv/bin/python -m tests.docs.reference"


def test_it_has_every_verb() -> None:
    verbs = (cli.VERBS.keys() - {"dead", "deploy"}) | {
        *(f"dead {verb}" for verb in dead.VERBS),
        *(f"deploy {verb}" for verb in deploy_verbs.VERBS),
    }
    assert VERBS.keys() == verbs
    assert set(re.findall(r"^### `trunkline (.+)`$", TEXT, re.MULTILINE)) == verbs


@pytest.mark.parametrize("verb", VERBS)
def test_it_has_every_flag_and_variable_that_help_shows(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    declared, shared = VERBS[verb]
    with pytest.raises(SystemExit):
        parse(declared, ["--help"], f"trunkline {verb}")
    shown = capsys.readouterr().out
    tables = section(f"`trunkline {verb}`") + "".join(
        section(title)
        for title, base in (
            ("The channel layer", LayerSettings),
            ("The process", LoopSettings),
        )
        if issubclass(shared, base)
    )
    for flag in set(re.findall(r"--[a-z][a-z-]+", shown)) - {"--help"}:
        assert f"`{flag}`" in tables or f"`{flag.replace('--no-', '--', 1)}`" in tables, flag
    for variable in set(re.findall(r"\[(TRUNKLINE_\w+)\]", shown)):
        assert f"`{variable}`" in tables, variable


@pytest.fixture
async def processes(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Processes]:
    running = Processes(redis_server.url, redis_server.fresh_prefix(), tmp_path)
    try:
        await running.start(1, 1)
        yield running
    finally:
        running.end()


async def exposed(processes: Processes, role: str) -> dict[str, Metric]:
    process = (processes.interfaces if role == "interface" else processes.workers)[0]
    lease = await processes.lease(process)
    assert lease is not None
    async with aiohttp.ClientSession() as client, client.get(f"http://{lease.admin}/metrics") as answer:
        families = list(text_string_to_metric_families(await answer.text()))
    return {
        sample_name(family): family for family in families if not re.match(r"(process|python)_", family.name)
    }


@pytest.mark.parametrize("role", ["interface", "worker"])
async def test_a_process_tells_the_metrics_of_its_tables_and_no_others(
    processes: Processes, role: str
) -> None:
    interface = processes.interfaces[0].address
    async with aiohttp.ClientSession() as client:
        socket = await client.ws_connect(f"{interface}/count/one")
        await socket.send_str("x")
        await socket.receive()
        await socket.close()
        async with client.get(f"{interface}/") as answer:
            await answer.read()
    found = await exposed(processes, role)
    declared = {sample_name(item): item for name in (role, "cluster") for item in METRICS[name]().collect()}

    assert found.keys() == declared.keys()
    for name, family in found.items():
        expected = declared[name]
        assert (family.type, family.documentation) == (expected.type, expected.documentation), name
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} == set(labels_of(expected)), name


def test_it_explains_every_reason_of_a_drop() -> None:
    reasons = set(re.findall(r'\bdrop\("(\w+)"[,)]', code_of(*INTERFACE)))
    assert first_cells(section("Of an interface server")) >= reasons
    assert first_cells(section("Of an interface server").split("`reason` of a drop:")[1]) == {
        "reason",
        "---",
        *reasons,
    }


def test_it_explains_every_outcome_of_a_handshake() -> None:
    outcomes: set[object] = set()
    for call in ast.walk(ast.parse(code_of(*INTERFACE))):
        if isinstance(call, ast.Call):
            name = ast.unparse(call.func)
            # Refusal(status, text, outcome, …); what is no constant is made of a status, below.
            found = call.args[2:3] if name == "Refusal" else call.args[:1]
            if name == "Refusal" or name.endswith(("handshakes.get", "._count")):
                outcomes |= {item.value for item in found if isinstance(item, ast.Constant)}
    words = section("Of an interface server").split("`outcome` of a handshake:")[1].split("`reason`")[0]
    explained = set(re.findall(r"`(\w+)`", words))
    assert {outcome for outcome in explained if not outcome.startswith("refused")} == outcomes


def test_it_explains_every_close_code_that_is_sent() -> None:
    codes = {
        value
        for name, value in vars(frames).items()
        if name.isupper() and type(value) is int and 1000 <= value < 1015
    }
    only_seen = {frames.NO_STATUS, frames.ABNORMAL}
    cells = first_cells(section("Close codes")) - {"code", "---"}
    assert cells == {str(code) for code in codes - only_seen}
    for code in only_seen:
        assert str(code) in section("Close codes")


def test_it_explains_every_status_that_is_sent() -> None:
    code = code_of(*INTERFACE, "worker/trunkline/worker/job.py")
    sent = set(
        map(int, re.findall(r"(?:Refusal|plain|GaveUp|abandon|_answer_failure|_text)\(\s*([45]\d\d)\b", code))
    )
    sent |= set(map(int, re.findall(r"(?:status=|HTTP/1\.1 |_refusal = )([45]\d\d)\b", code)))
    cells = {int(cell) for cell in first_cells(section("HTTP statuses")) - {"status", "---"}}
    assert sent >= {403, 404, 500, 503, 504}
    assert cells == {101, *sent}

"""What the product's code never does: load code from data, start a shell, go over a URL that somebody gave."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.test_tree import MODULES, ROOT

FORBIDDEN_MODULES = {
    "pickle",
    "_pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "marshal",
    "shelve",
    "yaml",
    "xml",
    "xmlrpc",
}
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "compile",
    "os.system",
    "os.popen",
    "tempfile.mktemp",
    "subprocess.getoutput",
}
JITTER = {"random.randint", "random.random", "random.uniform"}
"""What `random` is for: retries and closes spread over time. Ids and tokens come from `secrets`."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_loads_no_code_from_data_and_starts_no_shell(module: Path) -> None:
    tree = ast.parse(module.read_text())

    assert imports(tree) & FORBIDDEN_MODULES == set()
    for call in calls(tree):
        assert ast.unparse(call.func) not in FORBIDDEN_CALLS, ast.unparse(call)
        shell = [keyword.value for keyword in call.keywords if keyword.arg == "shell"]
        assert all(isinstance(value, ast.Constant) and value.value is False for value in shell), ast.unparse(
            call
        )
        if ast.unparse(call.func) in ("subprocess.run", "subprocess.Popen", "Popen"):
            assert isinstance(call.args[0], ast.List), f"not a list of words: {ast.unparse(call)}"


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_what_must_not_be_guessed_comes_from_secrets(module: Path) -> None:
    tree = ast.parse(module.read_text())
    drawn = {ast.unparse(call.func) for call in calls(tree)}

    assert {call for call in drawn if call.startswith(("random.", "uuid."))} <= JITTER
    assert {"uuid"} & imports(tree) == set()
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "random"]
    assert {f"random.{alias.name}" for node in froms for alias in node.names} <= JITTER


def test_certificates_are_checked_everywhere() -> None:
    for module in MODULES:
        text = module.read_text()
        for weak in (
            "CERT_NONE",
            "check_hostname = False",
            "verify=False",
            "ssl=False",
            "_create_unverified_context",
        ):
            assert weak not in text, f"{name(module)}: {weak}"


def test_the_lock_lets_nothing_in_without_its_hash() -> None:
    installer = (ROOT / "deploy" / "install.sh").read_text()
    blocks = (ROOT / "requirements.lock").read_text().replace("\\\n", " ").splitlines()
    pinned = [line for line in blocks if line and line[0].isalpha()]

    assert "--require-hashes" in installer
    assert len(pinned) > 40
    assert [line for line in pinned if "--hash=sha256:" not in line] == []

"""The commands that the product sends to Redis, found in its code.

``python -m tests.security.acl.commands`` writes the rules for them into ``deploy/redis-acl.conf``.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.test_tree import REDIS_LAYER, ROOT
from tests.test_tree import SCRIPTS as FILES

WITH_SUBCOMMANDS = ("CLIENT", "CLUSTER", "SCRIPT", "XGROUP", "XINFO")
BY_REDIS_PY = {"client|setname", "select"}
"""What redis-py sends to make a connection. PING, AUTH and HELLO need no permission or are not sent; it sends CLIENT
SETINFO too, which may be refused."""
OF_SENTINELS = {"sentinel"}
"""What a Sentinel is asked, which has users of its own."""
_NOT_COMMANDS = {"aclose", "close", "execute", "pipeline"}
_WRITTEN = {"xinfo_groups": "xinfo|groups"}


def in_scripts() -> set[str]:
    """Of the Lua scripts."""
    found: set[str] = set()
    for script in FILES:
        for line in script.read_text().splitlines():
            for call in re.findall(r"redis\.p?call\(([^)]*)", line.partition("--")[0]):
                first, _, rest = call.partition(",")
                names = re.findall(r"'([A-Z]+)'", first)
                assert names, f"{script.name} calls what is not written there: {call}"
                found |= {_joined(name, re.match(r"\s*'([A-Z]+)'", rest)) for name in names}
    return found


def _joined(name: str, second: re.Match[str] | None) -> str:
    return (f"{name}|{second[1]}" if name in WITH_SUBCOMMANDS and second else name).lower()


def in_python() -> set[str]:
    """Of the Redis layer's modules."""
    found: set[str] = set()
    for module in REDIS_LAYER.glob("*.py"):
        found |= _in_module(module)
    return found


def _in_module(module: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.List | ast.Tuple) and node.elts and _is_command(node.elts[0]):
            words = [str(item.value) for item in node.elts[:2] if isinstance(item, ast.Constant)]
            sub = len(words) > 1 and words[0] in WITH_SUBCOMMANDS
            found.add("|".join(words if sub else words[:1]).lower())
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and ast.unparse(node.func.value) in ("self._redis", "pipeline")
        ):
            name = node.func.attr
            found |= {_WRITTEN.get(name, name)} - _NOT_COMMANDS
    return found


def _is_command(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and bool(re.fullmatch("[A-Z]{3,}", node.value))
    )


def all_commands() -> set[str]:
    """All that a user of the product must be allowed."""
    return (in_scripts() | in_python() | BY_REDIS_PY) - OF_SENTINELS


def with_rules(text: str) -> str:
    """The ACL file with the rules of today's code in the line of the product's user."""
    rules = " ".join(f"+{name}" for name in sorted(all_commands()))
    return re.sub(r"^(user trunkline [^+\n]*)\+.*$", rf"\1{rules}", text, flags=re.M)


if __name__ == "__main__":
    file = ROOT / "deploy" / "redis-acl.conf"
    file.write_text(with_rules(file.read_text()))

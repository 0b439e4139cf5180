"""The tables of ``docs/reference.md``, from the code; ``python -m tests.docs.reference`` writes them into it.

Only what stands between ``<!-- name -->`` and ``<!-- end -->`` is written; the words around it are for people.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from prometheus_client.core import Metric
from pydantic.fields import FieldInfo
from pydantic_settings import CliPositionalArg

from trunkline.deploy import dead, deploy_verbs, settings
from trunkline.interface.levels import Levels
from trunkline.interface.metrics import InterfaceMetrics
from trunkline.interface.settings import InterfaceSettings
from trunkline.protocol import exit_codes
from trunkline.protocol.dashboard.page import Dashboard
from trunkline.protocol.memory import MemoryBus
from trunkline.protocol.process.admin import AdminServer
from trunkline.protocol.process.cluster import ClusterMetrics
from trunkline.protocol.process.metrics import MetricSet
from trunkline.protocol.process.targets import Targets
from trunkline.protocol.settings import LayerSettings, LoopSettings, ProcessSettings, Settings
from trunkline.worker.metrics import WorkerMetrics
from trunkline.worker.settings import WorkerSettings

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference.md"

VERBS: dict[str, tuple[type[Settings], type[Settings]]] = {
    "interface": (InterfaceSettings, ProcessSettings),
    "worker": (WorkerSettings, ProcessSettings),
    "up": (settings.UpSettings, ProcessSettings),
    "dev": (settings.DevSettings, LoopSettings),
    "scale": (settings.ScaleSettings, Settings),
    "status": (settings.StatusSettings, Settings),
    "doctor": (settings.DoctorSettings, LayerSettings),
    "top": (settings.TopSettings, LayerSettings),
    "logs": (settings.LogsSettings, Settings),
    "log-level": (settings.LogLevelSettings, LayerSettings),
    "down": (settings.DownSettings, Settings),
    "shards": (settings.ShardsSettings, LayerSettings),
    "startapp": (settings.StartappSettings, Settings),
    **{
        f"deploy {verb}": (found, LayerSettings if issubclass(found, LayerSettings) else Settings)
        for verb, (found, *_) in deploy_verbs.VERBS.items()
    },
    **{f"dead {verb}": (declared, LayerSettings) for verb, (declared, _) in dead.VERBS.items()},
}
"""Each verb's settings, and the shared ones among them, which stand in tables of their own."""

_BLOCK = re.compile(r"(<!-- (?P<name>[\w :-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def written(text: str) -> str:
    """The document with its tables as the code is now.

    Raises:
        KeyError: it asks for a table that there is not.
    """
    tables = {**_settings_tables(), **_metric_tables(), "exit codes": _exit_codes}

    def filled(block: re.Match[str]) -> str:
        return f"{block[1]}{tables[block['name']]()}\n{block[3]}"

    return _BLOCK.sub(filled, text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


# ---- settings ----


def _settings_tables() -> dict[str, Callable[[], str]]:
    declared: dict[str, tuple[type[Settings], type[Settings]]] = {
        "layer": (LayerSettings, Settings),
        "loop": (LoopSettings, LayerSettings),
        "admin": (ProcessSettings, LoopSettings),
        **VERBS,
    }
    return {f"settings: {name}": partial(_settings, *pair) for name, pair in declared.items()}


def own_fields(declared: type[Settings], shared: type[Settings]) -> dict[str, FieldInfo]:
    """The settings of a class that the shared ones do not have, or have with another default."""
    known = shared.model_fields
    return {
        name: field
        for name, field in declared.model_fields.items()
        if name not in known or known[name].default != field.default
    }


def _settings(declared: type[Settings], shared: type[Settings]) -> str:
    shortcuts: dict[str, Any] = dict(declared.model_config.get("cli_shortcuts") or {})
    rows = []
    for name, field in sorted(
        own_fields(declared, shared).items(), key=lambda item: not _is_positional(item[1])
    ):
        flags = [f"--{name.replace('_', '-')}"]
        if short := shortcuts.get(flags[0][2:]) or shortcuts.get(name):
            flags.append(f"--{short}" if len(short) > 1 else f"-{short}")
        if _is_positional(field):
            flags = [name.upper()]
        variable = "" if _is_positional(field) and field.is_required() else f"`TRUNKLINE_{name.upper()}`"
        words = ", ".join(f"`{flag}`" for flag in flags)
        rows.append([words, variable, _default(field), _meaning(field)])
    return table(["flag", "variable", "default", "meaning"], rows)


def _is_positional(field: FieldInfo) -> bool:
    marker = get_args(CliPositionalArg[str])[1]
    return any(item is marker for item in field.metadata)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    if field.default is None or field.default == "" or field.default == []:
        return ""
    if isinstance(field.default, bool):
        return "on" if field.default else "off"
    return f"`{field.default}`"


def _meaning(field: FieldInfo) -> str:
    text = field.description or ""
    if get_origin(field.annotation) is Literal:
        text += f" ({', '.join(f'`{word}`' for word in get_args(field.annotation))})"
    return text


# ---- metrics ----


def _metric_tables() -> dict[str, Callable[[], str]]:
    return {f"metrics: {name}": partial(_metrics, make) for name, make in METRICS.items()}


def _interface() -> MetricSet:
    metrics = MetricSet()
    InterfaceMetrics(metrics, lambda: Levels(0))
    return metrics


def _cluster() -> MetricSet:
    metrics = MetricSet()
    ClusterMetrics(metrics, MemoryBus().operator())
    Targets(metrics, MemoryBus().operator().stats, "", "")
    AdminServer("", 0, metrics=metrics, ready=lambda: None)
    Dashboard.of_cluster(MemoryBus().operator(), metrics, ProcessSettings.model_validate({}))
    return metrics


METRICS: dict[str, Callable[[], MetricSet]] = {
    "interface": _interface,
    "worker": lambda: WorkerMetrics(lambda: 0, lambda: [True]),
    "cluster": _cluster,
}


def _metrics(make: Callable[[], MetricSet]) -> str:
    rows = []
    for family in make().collect():
        labels = ", ".join(f"`{label}`" for label in labels_of(family))
        rows.append([f"`{sample_name(family)}`", family.type, labels, family.documentation])
    return table(["name", "type", "labels", "meaning"], sorted(rows))


def sample_name(family: Metric) -> str:
    """The name under which Prometheus keeps it; a histogram's has `_bucket`, `_sum` and `_count` behind it."""
    return f"{family.name}_total" if family.type == "counter" else family.name


def sample_names(family: Metric) -> set[str]:
    """`sample_name`, and what a histogram has behind it."""
    name = sample_name(family)
    parts = {f"{name}_{part}" for part in ("bucket", "sum", "count")} if family.type == "histogram" else set()
    return {name, *parts}


def labels_of(family: Metric) -> tuple[str, ...]:
    """The names of a family's labels."""
    labels: tuple[str, ...] = tuple(getattr(family, "_labelnames", ()))
    return labels


# ---- exit codes ----


def _exit_codes() -> str:
    declared = ast.parse(inspect.getsource(exit_codes.ExitCode)).body[0]
    assert isinstance(declared, ast.ClassDef)
    rows = []
    for member, text in zip(declared.body, declared.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(text, ast.Expr):
            name = ast.unparse(member.targets[0])
            rows.append([str(int(exit_codes.ExitCode[name])), f"`{name}`", ast.literal_eval(text.value)])
    return table(["code", "name", "meaning"], rows)


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text()))

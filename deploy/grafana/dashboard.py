"""Writes ``trunkline.json``, the Grafana dashboard: ``.venv/bin/python -m grafana.dashboard``.

The panels stand in ``panels.py``; the JSON around them is the same for all. Tests hold the file against this, and
evaluate every query against the figures of a real cluster.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grafana.panels import ROWS, Panel

FILE = Path(__file__).with_name("trunkline.json")
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
HEIGHT = 8


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    return {
        "uid": "trunkline",
        "title": "Trunkline",
        "description": "Made by deploy/grafana/dashboard.py from panels.py; change it there.",
        "tags": ["trunkline"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "templating": {"list": _variables()},
        "panels": _placed(),
    }


def _variables() -> list[dict[str, Any]]:
    return [
        {
            "name": "datasource",
            "label": "Prometheus",
            "type": "datasource",
            "query": "prometheus",
            "refresh": 1,
        },
        {
            "name": "deployment",
            "label": "Deployment",
            "type": "query",
            "datasource": DATASOURCE,
            "query": {"query": "label_values(trunkline_redis_up, deployment)", "refId": "deployment"},
            "definition": "label_values(trunkline_redis_up, deployment)",
            "refresh": 2,
            "includeAll": True,
            "allValue": ".*",
            "multi": True,
            "current": {"text": "All", "value": "$__all"},
        },
    ]


def _placed() -> list[dict[str, Any]]:
    """Rows of panels, three or as many as `stat` ones there are beside each other."""
    placed: list[dict[str, Any]] = []
    y = 0
    for title, panels in ROWS.items():
        placed.append(
            {"id": len(placed) + 1, "type": "row", "title": title, "collapsed": False, "panels": [],
             "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1}}
        )  # fmt: skip
        y += 1
        small = panels[0].kind == "stat"
        beside, height = (len(panels), HEIGHT // 2) if small else (3, HEIGHT)
        for index, panel in enumerate(panels):
            width = COLUMNS // beside
            at = {"x": index % beside * width, "y": y + index // beside * height, "w": width, "h": height}
            placed.append(_panel(len(placed) + 1, panel, at))
        y += -(-len(panels) // beside) * height
    return placed


def _panel(number: int, panel: Panel, at: dict[str, int]) -> dict[str, Any]:
    drawn: dict[str, Any] = {"unit": panel.unit, "min": 0}
    options: dict[str, Any] = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "none"}
    if panel.kind == "timeseries":
        mode = "normal" if panel.stacked else "none"
        drawn["custom"] = {"stacking": {"mode": mode}, "fillOpacity": 25 if panel.stacked else 0}
        options = {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.help,
        "datasource": DATASOURCE,
        "gridPos": at,
        "fieldConfig": {"defaults": drawn, "overrides": []},
        "options": options,
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": DATASOURCE, "expr": query.expr, "legendFormat": query.legend}
            for index, query in enumerate(panel.queries)
        ],
    }  # fmt: skip


def text() -> str:
    """The file."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())

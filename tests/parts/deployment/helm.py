"""Lints and renders the chart; run by the Python of .tools, which has Helm (v4) as a library.

Reads a JSON list of value sets from standard input and writes for each what Helm made of it: ``{"lint": [text, …],
"manifests": {template: text}}``, or ``{"error": text}`` where it refused them.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import helm_python as helm

INFORMATION = 1
NAME, NAMESPACE = "demo", "prod"


def judge(chart: Any, path: str, values: dict[str, Any]) -> dict[str, Any]:
    """What Helm says to one value set."""
    try:
        manifests = chart.render(values, name=NAME, namespace=NAMESPACE)
    except helm.HelmError as error:
        return {"error": str(error)}
    report = helm.lint(path, values, strict=True, namespace=NAMESPACE)
    said = [item["error"] for item in report["messages"] if item["severity"] > INFORMATION]
    return {"lint": said + report["errors"], "manifests": manifests}


if __name__ == "__main__":
    folder = sys.argv[1]
    with helm.Chart.load(folder) as loaded:
        json.dump([judge(loaded, folder, values) for values in json.load(sys.stdin)], sys.stdout)

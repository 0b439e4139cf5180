"""The Grafana dashboard: its file is what the script makes, and Grafana could draw it. Its queries: tests/parts."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest
import yaml

from grafana.dashboard import COLUMNS, FILE, dashboard, text
from tests.docs.reference import METRICS, labels_of, sample_names
from tests.support.commands import ROOT

PANELS = [panel for panel in dashboard()["panels"] if panel["type"] != "row"]
PROVISIONING = ROOT / "deploy" / "grafana" / "provisioning"


def test_the_file_is_what_the_script_makes() -> None:
    assert FILE.read_text() == text(), "run .venv/bin/python -m grafana.dashboard"


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    at = panel["gridPos"]
    return set(itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])))


def test_no_panel_lies_on_another_or_beside_the_page() -> None:
    placed = [cells(panel) for panel in dashboard()["panels"]]
    assert len(set.union(*placed)) == sum(map(len, placed))
    assert max(x for x, _ in set.union(*placed)) < COLUMNS


def test_no_two_panels_have_one_number_and_no_two_queries_of_a_panel_one_letter() -> None:
    numbers = [panel["id"] for panel in dashboard()["panels"]]
    assert len(set(numbers)) == len(numbers)
    for panel in PANELS:
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters) > 0


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows_and_of_which_deployment(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    for target in panel["targets"]:
        assert panel["datasource"] == target["datasource"]
        assert 'deployment=~"$deployment"' in target["expr"] or "ALERTS" in target["expr"]


def test_every_metric_of_ours_that_it_asks_for_is_told() -> None:
    told = {name for make in METRICS.values() for family in make().collect() for name in sample_names(family)}
    asked = set(re.findall(r"trunkline_\w+", json.dumps(dashboard())))
    assert asked <= told
    assert len(asked) > 40


def test_no_metric_has_a_label_that_a_target_has() -> None:
    """Prometheus would call it ``exported_…``, and rules would look at the target's."""
    of_targets = {
        "role",
        "process",
        "host",
        "pid",
        "deployment",
        "track",
        "code_version",
        "version",
        "instance",
        "job",
    }
    for make in METRICS.values():
        for family in make().collect():
            assert of_targets.isdisjoint(labels_of(family)), family.name


def test_grafana_is_told_where_its_data_and_the_dashboard_are() -> None:
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "${PROMETHEUS_URL}")
    scraping = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())["global"]
    assert source["jsonData"]["timeInterval"] == scraping["scrape_interval"]
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "trunkline.yaml").read_text())["providers"]
    assert (provider["type"], provider["options"]["path"]) == ("file", "/var/lib/grafana/dashboards")

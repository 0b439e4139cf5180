"""What the doctor finds, as the dashboard is told of it."""

from __future__ import annotations

from trunkline.deploy.diagnosis.checks import diagnose
from trunkline.deploy.diagnosis.page import examine
from trunkline.protocol.process.facts import Facts
from trunkline.protocol.settings import LayerSettings


def test_the_dashboard_is_told_all_that_the_doctor_finds_the_worst_first() -> None:
    facts, settings = Facts(0.0), LayerSettings.model_validate({})
    findings = examine(facts, settings)

    assert [finding["check"] for finding in findings] == [found.check for found in diagnose(facts, settings)]
    assert findings and findings[0]["severity"] == "error"  # a cluster without a process
    assert all(set(finding) == {"check", "severity", "where", "what", "fix"} for finding in findings)

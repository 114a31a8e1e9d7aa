"""What operators are told is true: metrics and alerts that pages name exist, and every alert has a runbook."""

import re

from deploy.service_client import PACKAGE
from stream.deployment.alerts import alerts
from stream.observability.metrics import DEFINITIONS
from stream.pipelines.understanding import reference_topology
from stream.sessions.audit_topic import KIND
from tests.support.pages import ROOT, page, pages

GUIDE = page("docs/operations.md").text
ALERTS = {alert.name for alert in alerts(reference_topology())}
METRICS = {it.name for it in DEFINITIONS}
OTHERWISE_NAMED = {KIND, PACKAGE.replace("-", "_")}
"""A header of records, and the package that clients import."""
PARTS = {f"{name}_{part}" for name in METRICS for part in ("sum", "count", "bucket")}


def test_metrics_that_are_named_exist() -> None:
    for each in pages():
        named = set(re.findall(r"\brushes_[a-z_]+\b", each.text))
        assert named - METRICS - PARTS - OTHERWISE_NAMED == set(), each.name
    whole = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    assert {f"`{name}`" for name in METRICS} <= set(re.findall(r"`rushes_[a-z_]+`", whole))


def test_alerts_that_are_named_exist() -> None:
    assert set(re.findall(r"\bRushes[A-Z][A-Za-z]+\b", GUIDE)) == ALERTS


def test_every_alert_has_a_runbook_with_something_to_run_or_to_do() -> None:
    sections = dict(re.findall(r"^### (Rushes\w+)\n\n(.+?)(?=\n#|\Z)", GUIDE, re.DOTALL | re.MULTILINE))
    assert set(sections) == ALERTS
    assert min(len(text.split()) for text in sections.values()) >= 15

"""Every alert fires when it must and is silent when it must not be heard, by promtool."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.promtool import default_cache, fetch, find
from stream.deployment.alerts import alerts, rules
from stream.deployment.dashboard import query
from stream.observability.labels import of_deployment
from stream.observability.metrics import DEFINITIONS
from stream.pipelines.understanding import reference_topology

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "operations.md"
TOPOLOGY = reference_topology()
Series = dict[str, str]
INDEX, SPENT = '{stage="index"}', '{stage="decode",lane="interactive"}'
WAITS, SERVES = f"rushes_waiting_video_seconds{SPENT}", 'rushes_service_video_seconds_per_second{stage="decode"}'
READY, LAG = 'rushes_ready_workers{stage="decode",instance="a"}', f"rushes_freshness_lag_seconds{SPENT}"
DEAD_LETTERS_TABLE = 'rushes_dead_letters_total{stage="decode",code="no_video"}'
SETTLED = 'rushes_records_total{stage="decode",outcome="done"}'
WANTED, PRESENT = 'rushes_desired_replicas{stage="decode"}', 'rushes_present_replicas{stage="decode"}'
FREE, BYTES = 'rushes_store_free_bytes{store="index"}', 'rushes_store_bytes{store="index"}'
SUM, COUNT = (f'rushes_model_score_ratio_{part}{{model="tagger"}}' for part in ("sum", "count"))
CUT, SEEN = 'rushes_model_score_ratio_count{model="moderator"}', "rushes_annotated_video_seconds_total"
PAUSED = "rushes_paused_workers"

# Values are Prometheus' notation: start+step x samples, a minute apart.
CASES: dict[str, tuple[Series, Series]] = {
    "RushesFreshnessFarOff": ({LAG: "300x2000"}, {LAG: "200x2000"}),
    "RushesFreshnessMissed": (
        {LAG: "61x2000"},
        {LAG: "59x2000", 'rushes_freshness_lag_seconds{stage="decode",lane="batch"}': "9000x2000"},
    ),
    "RushesReplicasShort": ({WANTED: "3x2000", PRESENT: "2x2000"}, {WANTED: "3x2000", PRESENT: "4x2000"}),
    "RushesStageStuck": ({WAITS: "30x2000", SERVES: "0x2000"}, {WAITS: "30x2000", SERVES: "1x2000"}),
    "RushesPartitionStuck": (
        {'rushes_stuck_partitions{stage="decode"}': "1x2000"},
        {'rushes_stuck_partitions{stage="decode"}': "0x2000"},
    ),
    "RushesNoReadyWorker": ({WAITS: "30x2000", READY: "0x2000"}, {WAITS: "30x2000", READY: "1x2000"}),
    "RushesDependencyOutage": (
        {f'{PAUSED}{{stage="index",reason="unavailable"}}': "1x2000"},
        {f'{PAUSED}{{stage="index",reason="throttled"}}': "1x2000"},
    ),
    "RushesDeadLetters": (
        {"rushes_dead_letters_written_total": "0+2x2000"},
        {"rushes_dead_letters_written_total": "0+1x2000"},
    ),
    "RushesDecodeFailures": (
        {DEAD_LETTERS_TABLE: "0+1x2000", SETTLED: "0+9x2000"},
        {DEAD_LETTERS_TABLE: "0+1x2000", SETTLED: "0+99x2000"},
    ),
    "RushesRetries": (
        {'rushes_retries_total{stage="decode",code="http"}': "0+60x2000"},
        {'rushes_retries_total{stage="decode",code="http"}': "0+6x2000"},
    ),
    "RushesExporterAbsent": ({}, {"rushes_exporter_observed_timestamp_seconds": "0+60x2000"}),
    "RushesExporterFailing": (
        {'rushes_exporter_failures_total{code="kafka"}': "0+1x2000"},
        {'rushes_exporter_failures_total{code="kafka"}': "4x2000"},
    ),
    "RushesDiskFilling": ({FREE: "2000000-1000x2000"}, {FREE: "9000000-100x2000"}),
    "RushesStorageExplosion": (
        {BYTES: "0+1000000x1940 1940000000+50000000x60"},
        {BYTES: "0+1000000x2000"},
    ),
    "RushesRecallLow": (
        {'rushes_vector_index_recall_ratio{space="s",column="vector",instance="a"}': "0.8x2000"},
        {'rushes_vector_index_recall_ratio{space="s",column="vector",instance="a"}': "0.95x2000"},
    ),
    "RushesAuditBehind": (
        {'rushes_audit_delivery_lag_seconds{target="splunk+https://siem"}': "0+60x2000"},
        {'rushes_audit_delivery_lag_seconds{target="splunk+https://siem"}': "60x2000"},
    ),
    "RushesQualityDrift": (
        {COUNT: "0+10x2000", SUM: "0+8x1900 15200+2x100"},
        {COUNT: "0+10x2000", SUM: "0+8x1900 15200+7x100"},
    ),
    "RushesMomentsDrift": (
        {SEEN: "0+100x2000", CUT: "0+20x1900 38000+80x100"},
        {SEEN: "0+100x2000", CUT: "0+20x1900 38000+22x100"},
    ),
    "RushesTwoWriters": (
        {f"rushes_present_replicas{INDEX}": "2x2000"},
        {f"rushes_present_replicas{INDEX}": "1x2000", PRESENT: "5x2000"},
    ),
}
LONG = ("RushesDiskFilling", "RushesStorageExplosion", "RushesQualityDrift", "RushesMomentsDrift")


def promtool() -> Path:
    found = find(default_cache())
    if found is None and os.environ.get("CI") == "true":
        found = fetch(default_cache())
    if found is None:
        pytest.skip("promtool is missing; `make assets` provides it")
    return found


def test_every_alert_fires_when_it_must_and_only_then(tmp_path: Path) -> None:
    assert set(CASES) == {alert.name for alert in alerts(TOPOLOGY)}
    (tmp_path / "alerts.yaml").write_text(yaml.safe_dump(rules(TOPOLOGY)))
    tests = [
        _case(name, series, fires) for name, pair in CASES.items() for series, fires in zip(pair, (1, 0), strict=True)
    ]
    (tmp_path / "tests.yaml").write_text(
        yaml.safe_dump({"rule_files": ["alerts.yaml"], "evaluation_interval": "5m", "tests": tests})
    )
    done = subprocess.run(
        [promtool(), "test", "rules", tmp_path / "tests.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_and_the_queries_of_the_dashboard_parse(tmp_path: Path) -> None:
    """Each query of the dashboard as a recording rule, which promtool parses."""
    recorded = [{"record": f"panel:{it.name}", "expr": query(it)} for it in DEFINITIONS]
    for name, content in (
        ("alerts.yaml", rules(TOPOLOGY)),
        ("panels.yaml", {"groups": [{"name": "panels", "rules": recorded}]}),
    ):
        (tmp_path / name).write_text(yaml.safe_dump(content))
        done = subprocess.run(
            [promtool(), "check", "rules", tmp_path / name], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_its_runbook() -> None:
    headings = {line.removeprefix("### ").lower() for line in GUIDE.read_text().splitlines() if line.startswith("### ")}
    assert {alert.anchor for alert in alerts(TOPOLOGY)} <= headings


def _case(name: str, series: Series, fires: int) -> dict[str, Any]:
    """A unit test that counts the firing alerts of that name, of any labels, while another deployment is ill."""
    ours = {of_deployment(it, '="rushes"'): values for it, values in series.items()}
    others = {of_deployment(it, '="night"'): values for it, values in CASES[name][0].items()}
    count = f'count(ALERTS{{alertname="{name}",alertstate="firing"}})'
    samples = [{"labels": "{}", "value": fires}] if fires else []
    return {
        "interval": "1m",
        "input_series": [{"series": it, "values": values} for it, values in (ours | others).items()],
        "promql_expr_test": [{"expr": count, "eval_time": "33h" if name in LONG else "1h", "exp_samples": samples}],
    }

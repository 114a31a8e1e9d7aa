"""A Grafana dashboard (dashboard model, schema 39) with one panel per metric definition. Freshness comes first."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from stream.observability import metrics as m
from stream.observability.labels import LABEL, of_deployment
from stream.observability.metrics import Definition
from stream.topology.unit import VIDEO_SECONDS, Unit

THEMES: tuple[tuple[str, tuple[Definition, ...]], ...] = (
    ("Freshness", (m.FRESHNESS_LAG, m.DESIRED_REPLICAS, m.REPLICAS)),
    ("Backlog and rates", (m.BACKLOG, m.WAITING, m.ARRIVAL, m.SERVICE, m.OFFSET_LAG, m.STUCK, m.OPEN_ASSETS)),
    ("Failures", (m.DEAD_LETTERS_WRITTEN, m.DEAD_LETTERS, m.RETRIES, m.OUTAGES)),
)
"""The first rows. Rows for stages and for all other metrics follow."""
_ONE_PROCESS = m.EXPORTER_DEFINITIONS + m.AUDIT_DEFINITIONS
_WIDTH, _HEIGHT, _COLUMNS = 8, 8, 3


def dashboard(units: Sequence[Unit] = (VIDEO_SECONDS,)) -> dict[str, Any]:
    """The dashboard, for import or provisioning. Variables choose the data source and the deployment. `units` are the
    units of work of the stages: metrics of work have one panel for each.
    """
    source = {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    which = {
        "name": LABEL,
        "type": "query",
        "label": "Deployment",
        "datasource": {"type": "prometheus", "uid": "${source}"},
        # Every worker has it, so it lists all deployments that were ever scraped.
        "query": f"label_values({m.READY.name}, {LABEL})",
        "refresh": 2,
    }
    return {
        "uid": "rushes",
        "title": "rushes",
        "schemaVersion": 39,
        "timezone": "utc",
        "refresh": "10s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [source, which]},
        "panels": list(_panels(units)),
    }


def themes(units: Sequence[Unit] = (VIDEO_SECONDS,)) -> Iterator[tuple[str, tuple[Definition, ...]]]:
    """The rows. Each definition is in one row; metrics of work appear once per unit."""
    for title, group in THEMES:
        # Metrics without work give themselves for each unit, so duplicates are dropped.
        yield title, tuple(dict.fromkeys(it.counted_in(unit) for it in group for unit in units))
    shown = {it.name for _, group in THEMES for it in group}
    rest = [it for it in m.DEFINITIONS if it.name not in shown]
    yield "Stages", tuple(it for it in rest if it.labels[:1] == ("stage",))
    yield "Resources, models and exporter", tuple(it for it in rest if it.labels[:1] != ("stage",))


def query(it: Definition) -> str:
    """PromQL for one definition: the rate of a counter, the 95th percentile of a histogram, the value of a gauge."""
    by = f" by ({', '.join(it.labels)})" if it.labels else ""
    if it.kind == "counter":
        return f"sum{by} (rate({it.name}[5m]))"
    if it.kind == "histogram":
        return f"histogram_quantile(0.95, sum by ({', '.join((*it.labels, 'le'))}) (rate({it.name}_bucket[5m])))"
    if it.name.endswith("_timestamp_seconds"):
        return f"max{by} ({it.name}) * 1000"  # Grafana's dates are milliseconds
    # Exporters all see the same cluster, so their values are not summed; values of workers are.
    return f"max{by} ({it.name})" if it in _ONE_PROCESS or it not in m.DEFINITIONS else f"sum{by} ({it.name})"


def _panels(units: Sequence[Unit]) -> Iterator[dict[str, Any]]:
    number, y = 1, 0
    for title, group in themes(units):
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": _place(0, y, 24, 1)}
        number, y = number + 1, y + 1
        for index, it in enumerate(group):
            x, line = index % _COLUMNS * _WIDTH, index // _COLUMNS * _HEIGHT
            yield _panel(number, it, _place(x, y + line, _WIDTH, _HEIGHT))
            number += 1
        y += -(-len(group) // _COLUMNS) * _HEIGHT


def _panel(number: int, it: Definition, place: dict[str, int]) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${source}"}
    legend = " ".join(f"{{{{{label}}}}}" for label in it.labels) or it.name
    return {
        "id": number,
        "type": "timeseries",
        "title": title(it),
        "description": it.help,
        "datasource": source,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": _unit(it), "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": "A",
                "datasource": source,
                "expr": of_deployment(query(it), '="$deployment"'),
                "legendFormat": legend,
            }
        ],
    }


def title(it: Definition) -> str:
    """The title of the panel. The axis shows seconds, so the title only names rates and percentiles."""
    words = re.sub(r"(_total|_seconds|_ratio)$", "", it.name.removeprefix("rushes_"))
    if words.endswith("_per_second"):
        words = words.replace("_video_seconds_per_second", ", video seconds per second")
        return words.replace("_", " ").capitalize()
    suffix = {"counter": " per second", "histogram": ", 95th percentile", "gauge": ""}[it.kind]
    return words.replace("_", " ").capitalize() + suffix


def _unit(it: Definition) -> str:
    """Grafana's name for the unit."""
    if "_bytes" in it.name:
        return "Bps" if it.kind == "counter" else "bytes"
    if it.name.endswith("_timestamp_seconds"):
        return "dateTimeFromNow"
    if it.name.endswith("_seconds_total"):
        return "none"  # seconds per second
    if it.name.endswith("_seconds") and "_per_" not in it.name:
        return "s"
    return "percentunit" if it.name.endswith("_ratio") else "short"


def _place(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}

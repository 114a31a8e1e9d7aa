"""Prometheus alert rules, each with a runbook in docs/operations.md. Queries use the metric definitions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stream.broker.names import DEFAULT
from stream.observability import metrics as m
from stream.observability.labels import LABEL, of_deployment
from stream.observability.metrics import Definition
from stream.topology.stage import Role
from stream.topology.topology import Topology
from stream.topology.unit import VIDEO_SECONDS, Unit

RUNBOOKS = "docs/operations.md"
Severity = Literal["page", "ticket"]


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule. `expr` is PromQL; the alert fires when it is true for `hold`. The severity `page` wakes a person."""

    name: str
    expr: str
    hold: str
    severity: Severity
    summary: str
    description: str

    @property
    def anchor(self) -> str:
        """The anchor of its runbook: the guide has a heading with the alert's name."""
        return self.name.lower()

    def rule(self, guide: str, deployment: str = DEFAULT) -> dict[str, Any]:
        """The Prometheus rule for the metrics of one deployment."""
        return {
            "alert": self.name,
            # Rules of several deployments may run on one Prometheus: each sees only its own metrics.
            "expr": of_deployment(self.expr, f'="{deployment}"'),
            "for": self.hold,
            "labels": {"severity": self.severity, LABEL: deployment},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{guide}#{self.anchor}",
            },
        }


def alerts(topology: Topology, *, objective_s: float = 60.0) -> tuple[Alert, ...]:
    """Every alert. `objective_s` is the age at which interactive footage should be searchable."""
    found = (
        _slow(objective_s),
        _stopped(topology.units),
        _failing(topology),
        _watching(),
        _stores(),
        _audit(),
        _quality(),
        _writers(topology),
    )
    return tuple(alert for group in found for alert in group)


def rules(
    topology: Topology, *, objective_s: float = 60.0, guide: str = RUNBOOKS, deployment: str = DEFAULT
) -> Mapping[str, Any]:
    """A Prometheus rule file (`groups`)."""
    listed = [alert.rule(guide, deployment) for alert in alerts(topology, objective_s=objective_s)]
    return {"groups": [{"name": deployment, "rules": listed}]}


def _slow(objective_s: float) -> Iterator[Alert]:
    oldest = f'max by (stage) ({m.FRESHNESS_LAG.name}{{lane="interactive"}})'
    yield Alert(
        "RushesFreshnessFarOff",
        # Far off wakes a person after minutes. A slight miss may wait until the morning.
        f"{oldest} > {4 * objective_s:g}",
        "2m",
        "page",
        "{{ $labels.stage }}: interactive footage waits {{ $value | humanizeDuration }}",
        f"The oldest interactive asset is four times older than the objective of {objective_s:g} s.",
    )
    yield Alert(
        "RushesFreshnessMissed",
        f"{oldest} > {objective_s:g}",
        "15m",
        "ticket",
        "{{ $labels.stage }}: interactive footage waits {{ $value | humanizeDuration }}",
        f"The objective of {objective_s:g} s has been missed for a quarter of an hour.",
    )
    yield Alert(
        "RushesReplicasShort",
        f"sum by (stage) ({m.DESIRED_REPLICAS.name}) > sum by (stage) ({m.REPLICAS.name})",
        "15m",
        "ticket",
        "{{ $labels.stage }}: {{ $value }} replicas are wanted and some are missing",
        "Scaling does not reach the wanted number: no room, an image that does not start, or no scaler runs.",
    )


def _stopped(units: Sequence[Unit]) -> Iterator[Alert]:
    # A stage without work is not stuck, so every rule here asks for waiting work first.
    waiting = f"{_of_work(m.WAITING, units)} > 0"
    yield Alert(
        "RushesStageStuck",
        f"({waiting}) and on (stage) ({_of_work(m.SERVICE, units)} == 0)",
        "10m",
        "page",
        "{{ $labels.stage }}: {{ $value | humanizeDuration }} of footage wait and none is done"
        if units == (VIDEO_SECONDS,)
        else "{{ $labels.stage }}: work waits ({{ $value | humanize }}) and none is done",
        "The stage has work and has finished nothing for ten minutes.",
    )
    yield Alert(
        "RushesPartitionStuck",
        f"max by (stage) ({m.STUCK.name}) > 0",
        "5m",
        "ticket",
        "{{ $labels.stage }}: {{ $value }} partition(s) make no progress",
        "A group with members acknowledges nothing in some partitions although records wait there.",
    )
    yield Alert(
        "RushesNoReadyWorker",
        f"({waiting}) unless on (stage) (sum by (stage) ({m.READY.name}) > 0)",
        "5m",
        "page",
        "{{ $labels.stage }}: footage waits and no worker is ready",
        "No worker of the stage has an open operator and its dependencies, or none is scraped.",
    )
    yield Alert(
        "RushesDependencyOutage",
        # Only `unavailable`: a stage that is throttled by the next one is also paused, and well.
        f'sum by (stage) ({m.PAUSED.name}{{reason="unavailable"}}) > 0',
        "5m",
        "page",
        "{{ $labels.stage }}: {{ $value }} worker(s) wait for a dependency",
        "A store, disk, source or weights file is unavailable; the stage continues by itself when it is back.",
    )


def _of_work(it: Definition, units: Sequence[Unit]) -> str:
    """PromQL: one sum per stage, for all units."""
    sums = [f"sum by (stage) ({it.counted_in(unit).name})" for unit in units]
    return sums[0] if len(sums) == 1 else f"({' or '.join(sums)})"


def _failing(topology: Topology) -> Iterator[Alert]:
    yield Alert(
        "RushesDeadLetters",
        f"increase({m.DEAD_LETTERS_WRITTEN.name}[15m]) > 20",
        "0m",
        "ticket",
        "{{ $value | humanize }} dead letters in a quarter of an hour",
        "Records cannot be processed; their assets stay partial or failed until they are replayed.",
    )
    # A topology of other work may read no footage at all.
    if reading := "|".join(stage.name for stage in topology.of_role(Role.DECODE)):
        yield _unreadable(reading)
    yield Alert(
        "RushesRetries",
        f"sum by (stage, code) (rate({m.RETRIES.name}[10m])) > 0.2",
        "15m",
        "ticket",
        "{{ $labels.stage }}: {{ $labels.code }} is retried {{ $value | humanize }} times per second",
        "A temporary fault lasts; attempts are used up and dead letters will follow.",
    )


def _unreadable(reading: str) -> Alert:
    broken, settled = (f'sum(increase({it.name}{{stage=~"{reading}"}}[15m]))' for it in (m.DEAD_LETTERS, m.RECORDS))
    return Alert(
        "RushesDecodeFailures",
        # The ratio alone would fire on one failure in a quiet night.
        f"{broken} / {settled} > 0.05 and {broken} > 5",
        "5m",
        "ticket",
        "{{ $value | humanizePercentage }} of what is planned and decoded fails",
        "More than one record in twenty of the stages that read footage becomes a dead letter.",
    )


def _watching() -> Iterator[Alert]:
    yield Alert(
        "RushesExporterAbsent",
        # Without the exporter all rules on freshness have no data, and a rule without data never fires.
        f"absent({m.OBSERVED.name})",
        "3m",
        "page",
        "Freshness is not measured",
        "The exporter is gone, is not scraped, or cannot see the cluster: no other alert on freshness can fire.",
    )
    yield Alert(
        "RushesExporterFailing",
        f"sum by (code) (increase({m.OBSERVATION_FAILURES.name}[10m])) > 3",
        "5m",
        "ticket",
        "The exporter's rounds fail: {{ $labels.code }}",
        "Kafka does not answer the exporter, or answers too late.",
    )


def _stores() -> Iterator[Alert]:
    yield Alert(
        "RushesDiskFilling",
        # A day's notice: the sinks pause before the disk is full (`min_free_bytes`).
        f"predict_linear({m.STORE_FREE.name}[6h], 24 * 3600) < 0",
        "30m",
        "page",
        "{{ $labels.store }}: the disk will be full within a day",
        "The sinks pause before the disk is full, and freshness is lost then.",
    )
    grown = f"max by (store) (delta({m.STORE_BYTES.name}[1h]))"
    usual = f"max by (store) (delta({m.STORE_BYTES.name}[24h] offset 1h)) / 24"
    yield Alert(
        "RushesStorageExplosion",
        # The lower bound keeps a young store quiet: any first ingest is many times nothing.
        f"{grown} > 4 * clamp_min({usual}, {256 << 20})",
        "15m",
        "ticket",
        "{{ $labels.store }} grew by {{ $value | humanize1024 }}B in an hour",
        "Four times more than per hour of the day before, and more than 1 GiB.",
    )


def _audit() -> Iterator[Alert]:
    yield Alert(
        "RushesAuditBehind",
        f"max by (target) ({m.AUDIT_LAG.name}) > 300",
        "5m",
        "page",
        "{{ $labels.target }}: audit events wait {{ $value | humanizeDuration }}",
        "The target takes no audit events, or stopped at a gap: what happens now is not seen there.",
    )


def _quality() -> Iterator[Alert]:
    yield Alert(
        "RushesRecallLow",
        f"avg by (space, column) ({m.RECALL.name}) < 0.9",
        "1h",
        "ticket",
        "{{ $labels.space }}: searches find {{ $value | humanizePercentage }} of what is nearest",
        "The vector index was trained on other footage than there is now, or looks into too few of its partitions.",
    )
    total, count = f"{m.SCORE.name}_sum", f"{m.SCORE.name}_count"
    hour, week = (
        f"sum by (model) (rate({total}[{window}])) / sum by (model) (rate({count}[{window}]))"
        # A week levels out the times of day.
        for window in ("1h", "7d")
    )
    # A mean over few moments varies too much to compare.
    seen = f"sum by (model) (increase({count}[1h])) > 200"
    yield Alert(
        "RushesQualityDrift",
        f"(abs(({hour}) / ({week}) - 1) > 0.3) and ({seen})",
        "30m",
        "ticket",
        "{{ $labels.model }}: the mean score differs by {{ $value | humanizePercentage }} from the week before",
        "Footage, weights or decoding changed. Over at least 200 moments of the last hour.",
    )
    moments, seconds = f'{count}{{model="moderator"}}', m.ANNOTATED.name
    rates = [f"sum(rate({moments}[{w}])) / sum(rate({seconds}[{w}]))" for w in ("1h", "7d")]
    yield Alert(
        "RushesMomentsDrift",
        f"(abs(({rates[0]}) / ({rates[1]}) - 1) > 0.5) and (sum(increase({seconds}[1h])) > 3600)",
        "30m",
        "ticket",
        "Moments per second of footage differ by {{ $value | humanizePercentage }} from the week before",
        "More or fewer shots are found than before. Over at least an hour of footage in the last hour.",
    )


def _writers(topology: Topology) -> Iterator[Alert]:
    single = "|".join(stage.name for stage in topology.stages if stage.max_replicas == 1)
    # No stage with a single writer: a rule over nothing would never fire.
    if not single:
        return
    yield Alert(
        "RushesTwoWriters",
        f'max by (stage) ({m.REPLICAS.name}{{stage=~"{single}"}}) > 1',
        "5m",
        "ticket",
        "{{ $labels.stage }} has {{ $value }} replicas, but its store takes one writer",
        "The second one waits for the lock and only holds partitions.",
    )

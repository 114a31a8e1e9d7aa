"""Every metric, defined once. Docs and dashboards derive from `DEFINITIONS`; the worker is the main caller."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from stream.observability.histogram import ThreadedHistogram
from stream.topology.unit import VIDEO_SECONDS, Unit

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric family; the unit is the last word of its name. A family in video seconds also exists for stages with
    another unit, under the name that `counted_in` gives.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()

    @property
    def of_work(self) -> bool:
        """Whether it measures work in the unit of its stage."""
        return VIDEO_SECONDS.name in self.name and self.labels[:1] == ("stage",)

    def counted_in(self, unit: Unit) -> "Definition":
        """The same family for stages with another unit."""
        if unit == VIDEO_SECONDS or not self.of_work:
            return self
        return replace(
            self, name=self.name.replace(VIDEO_SECONDS.name, unit.name), help=f"{self.help} Counted in {unit.name}."
        )


RECORDS = Definition(
    "rushes_records_total",
    "counter",
    "Source records settled, by outcome (done, dead_letter, superseded, dropped).",
    ("stage", "outcome"),
)
EVENTS = Definition("rushes_events_total", "counter", "Events sent, by topic.", ("stage", "topic"))
SENT = Definition("rushes_sent_bytes_total", "counter", "Bytes sent, by topic.", ("stage", "topic"))
PROCESSING = Definition(
    "rushes_processing_seconds",
    "histogram",
    "Time in the operator for one batch, its outputs' sending included.",
    ("stage",),
    (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300),
)
BATCH_RECORDS = Definition(
    "rushes_batch_records", "histogram", "Records in one batch.", ("stage",), (1, 2, 4, 8, 16, 32, 64, 128, 256)
)
BATCH_BYTES = Definition(
    "rushes_batch_bytes",
    "histogram",
    "Bytes of the records in one batch.",
    ("stage",),
    tuple(4.0**n for n in range(5, 15)),
)
DEAD_LETTERS = Definition("rushes_dead_letters_total", "counter", "Dead letters written.", ("stage", "code"))
RETRIES = Definition("rushes_retries_total", "counter", "Attempts postponed after a passing fault.", ("stage", "code"))
OUTAGES = Definition("rushes_outages_total", "counter", "Times a dependency was found unavailable.", ("stage", "code"))
PAUSED = Definition(
    "rushes_paused_workers",
    "gauge",
    "Workers that do not pull, by reason (unavailable, throttled).",
    ("stage", "reason"),
)
READY = Definition("rushes_ready_workers", "gauge", "Workers with an open operator and no outage.", ("stage",))
IN_FLIGHT = Definition("rushes_in_flight_records", "gauge", "Records received and not yet acknowledged.", ("stage",))
UNREAD = Definition(
    "rushes_unread_bytes",
    "gauge",
    "Bytes in a throttling topic that its slowest reader has not acknowledged.",
    ("topic",),
)

STORE_BYTES = Definition(
    "rushes_store_bytes", "gauge", "Bytes of a store's files, superseded ones included.", ("store",)
)
STORE_FREE = Definition("rushes_store_free_bytes", "gauge", "Bytes left on the disk under a store.", ("store",))
SCORE = Definition(
    "rushes_model_score_ratio",
    "histogram",
    "Scores of moments: the best tag's probability (tagger), the moderation score (moderator).",
    ("model",),
    (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0),
)
ANNOTATED = Definition("rushes_annotated_video_seconds_total", "counter", "Footage that the models have seen.", ())
RECALL = Definition(
    "rushes_vector_index_recall_ratio",
    "gauge",
    "Share of the 10 nearest moments that a search by the vector index finds, as a mean of the last samples.",
    ("space", "column"),
)
JOB_START = Definition(
    "rushes_job_start_seconds",
    "histogram",
    "Time from the submission of a job to the start of its first piece of work, by lane.",
    ("lane",),
    (0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 100_000),
)

WORKER_DEFINITIONS = (
    RECORDS,
    EVENTS,
    SENT,
    PROCESSING,
    BATCH_RECORDS,
    BATCH_BYTES,
    DEAD_LETTERS,
    RETRIES,
    OUTAGES,
    PAUSED,
    READY,
    IN_FLIGHT,
    UNREAD,
    STORE_BYTES,
    STORE_FREE,
    SCORE,
    ANNOTATED,
    RECALL,
    JOB_START,
)

FRESHNESS_LAG = Definition(
    "rushes_freshness_lag_seconds",
    "gauge",
    "Age of the oldest asset with work that the stage has not acknowledged, from the broker's append time; 0 for none.",
    ("stage", "lane"),
)
BACKLOG = Definition(
    "rushes_backlog_video_seconds",
    "gauge",
    "Footage planned and not done by the stage; for plan assets times their mean length, for stages that report no"
    " progress (caption, dead-letters) 10 s a record.",
    ("stage",),
)
WAITING = Definition(
    "rushes_waiting_video_seconds", "gauge", "Footage that reached the stage and is not done.", ("stage", "lane")
)
OFFSET_LAG = Definition(
    "rushes_offset_lag_records", "gauge", "Records that the stage's group has not acknowledged.", ("stage", "topic")
)
ARRIVAL = Definition(
    "rushes_arrival_video_seconds_per_second",
    "gauge",
    "Footage that reached the stage per second, over the last 2 minutes.",
    ("stage", "lane"),
)
SERVICE = Definition(
    "rushes_service_video_seconds_per_second",
    "gauge",
    "Footage that the stage was through with per second, over the last minute.",
    ("stage",),
)
STUCK = Definition(
    "rushes_stuck_partitions",
    "gauge",
    "Partitions in which a group with members acknowledged nothing for 5 minutes though records are left.",
    ("stage",),
)
REPLICAS = Definition("rushes_present_replicas", "gauge", "Replicas in the stage's group.", ("stage",))
DESIRED_REPLICAS = Definition(
    "rushes_desired_replicas", "gauge", "Replicas that the stage should have (`desired_replicas`).", ("stage",)
)
DEAD_LETTERS_WRITTEN = Definition(
    "rushes_dead_letters_written_total", "counter", "Records ever written to the topic of dead letters.", ()
)
OPEN_ASSETS = Definition("rushes_open_assets", "gauge", "Asset versions with work left.", ())
OBSERVED = Definition(
    "rushes_exporter_observed_timestamp_seconds", "gauge", "When the exporter last observed the cluster.", ()
)
OBSERVATION = Definition("rushes_exporter_observation_seconds", "gauge", "How long its last round took.", ())
UNDECIDED = Definition(
    "rushes_undecided_records",
    "gauge",
    "Records that no stage can read yet, of open transactions or behind one.",
    ("topic",),
)
BLIND = Definition(
    "rushes_exporter_blind_seconds",
    "gauge",
    "How long the exporter has observed nothing; 0 while it observes the cluster.",
    (),
)
OBSERVATION_FAILURES = Definition(
    "rushes_exporter_failures_total", "counter", "Rounds in which the cluster could not be observed.", ("code",)
)

EXPORTER_DEFINITIONS = (
    FRESHNESS_LAG,
    BACKLOG,
    WAITING,
    OFFSET_LAG,
    UNDECIDED,
    ARRIVAL,
    SERVICE,
    STUCK,
    REPLICAS,
    DESIRED_REPLICAS,
    DEAD_LETTERS_WRITTEN,
    OPEN_ASSETS,
    OBSERVED,
    OBSERVATION,
    BLIND,
    OBSERVATION_FAILURES,
)

AUDIT_LAG = Definition(
    "rushes_audit_delivery_lag_seconds",
    "gauge",
    "Age of the oldest event of the audit trail that the target does not have; 0 for none.",
    ("target",),
)
AUDIT_DELIVERED = Definition(
    "rushes_audit_delivered_events_total", "counter", "Events of the audit trail that the target took.", ("target",)
)
AUDIT_DEFINITIONS = (AUDIT_LAG, AUDIT_DELIVERED)

DEFINITIONS = WORKER_DEFINITIONS + EXPORTER_DEFINITIONS + AUDIT_DEFINITIONS


class AuditMetrics:
    """The families of the delivery of audit events."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lag = _gauge(AUDIT_LAG, registry)
        self._delivered = _counter(AUDIT_DELIVERED, registry)

    def watch(self, target: str, lag_s: Callable[[], float]) -> Counter:
        """Asks at each scrape, so that the lag of a target that hangs grows too. Returns what counts its events."""
        self._lag.labels(target).set_function(lag_s)
        return self._delivered.labels(target)


class Metrics:
    """The workers' metric families in one registry. Make one per process (or test) and pass it down."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.records = _counter(RECORDS, registry)
        self.events = _counter(EVENTS, registry)
        self.sent = _counter(SENT, registry)
        self.processing = ThreadedHistogram(
            PROCESSING.name, PROCESSING.help, PROCESSING.labels, buckets=PROCESSING.buckets, registry=registry
        )
        self.batch_records = _histogram(BATCH_RECORDS, registry)
        self.batch_bytes = _histogram(BATCH_BYTES, registry)
        self.dead_letters = _counter(DEAD_LETTERS, registry)
        self.retries = _counter(RETRIES, registry)
        self.outages = _counter(OUTAGES, registry)
        self.paused = _gauge(PAUSED, registry)
        self.ready = _gauge(READY, registry)
        self.in_flight = _gauge(IN_FLIGHT, registry)
        self.unread = _gauge(UNREAD, registry)
        self.store_bytes = _gauge(STORE_BYTES, registry)
        self.store_free = _gauge(STORE_FREE, registry)
        self.scores = _histogram(SCORE, registry)
        self.annotated = _counter(ANNOTATED, registry)
        self.recall = _gauge(RECALL, registry)
        self.job_starts = _histogram(JOB_START, registry)


class StageMetrics:
    """The metrics of one stage, labels bound once because binding costs more than counting."""

    def __init__(self, metrics: Metrics, stage: str) -> None:
        self._metrics = metrics
        self._stage = stage
        self._sent: dict[str, tuple[Counter, Counter]] = {}
        self.processing = metrics.processing.timing(stage)
        self.batch_records = metrics.batch_records.labels(stage)
        self.batch_bytes = metrics.batch_bytes.labels(stage)
        self.ready = metrics.ready.labels(stage)
        self.in_flight = metrics.in_flight.labels(stage)

    def sent(self, topic: str, events: int, size: int) -> None:
        """`events` events of `size` bytes in total were sent to `topic`."""
        bound = self._sent.get(topic)
        if bound is None:
            labels = (self._stage, topic)
            bound = self._sent[topic] = (self._metrics.events.labels(*labels), self._metrics.sent.labels(*labels))
        bound[0].inc(events)
        bound[1].inc(size)

    def settled(self, outcome: str, records: int) -> None:
        self._metrics.records.labels(self._stage, outcome).inc(records)

    def dead_letter(self, code: str) -> None:
        self._metrics.dead_letters.labels(self._stage, code).inc()

    def retried(self, code: str, records: int) -> None:
        self._metrics.retries.labels(self._stage, code).inc(records)

    def outage(self, code: str) -> None:
        self._metrics.outages.labels(self._stage, code).inc()

    def paused(self, reason: str, change: int) -> None:
        """One more worker (1) or one less (-1) is paused for `reason`."""
        self._metrics.paused.labels(self._stage, reason).inc(change)


def markdown_table() -> str:
    """The definitions as the table that the operations guide shows."""
    rows = [
        f"| `{it.name}` | {it.kind} | {', '.join(f'`{label}`' for label in it.labels)} | {it.help} |"
        for it in DEFINITIONS
    ]
    return "\n".join(["| metric | kind | labels | meaning |", "|---|---|---|---|", *rows]) + "\n"


def _counter(it: Definition, registry: CollectorRegistry) -> Counter:
    return Counter(it.name, it.help, it.labels, registry=registry)


def _gauge(it: Definition, registry: CollectorRegistry) -> Gauge:
    return Gauge(it.name, it.help, it.labels, registry=registry)


def _histogram(it: Definition, registry: CollectorRegistry) -> Histogram:
    return Histogram(it.name, it.help, it.labels, registry=registry, buckets=it.buckets)

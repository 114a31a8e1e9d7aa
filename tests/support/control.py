"""Progress of a made-up fleet, published to Kafka, and the control plane's answers to it."""

import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Self

from benchmarks.testbed.runs import start
from benchmarks.testbed.waiting import must_run, wait_for
from stream.broker.kafka.broker import KafkaBroker
from stream.broker.kafka.client import KafkaSettings
from stream.broker.kafka.snapshot import latest_values
from stream.clock import SystemClock
from stream.control.state import CHANGELOG, entries
from stream.events.asset import AssetChanged, AssetRef, AssetStatus, Outcome, SegmentProgressed
from stream.events.base import Event, Payload
from stream.events.grid import SEGMENT_NS
from stream.events.ids import AssetVersion
from stream.topology.codec import encode
from stream.topology.topics import PROGRESS

NOON_MS = 1_700_049_600_000
STAGES = ("plan", "decode", "understand", "index")


def asset_ref(name: str, *, tenant: str = "t", hour: int = 0) -> AssetRef:
    return AssetRef(tenant=tenant, project="p", asset_id=name, version=AssetVersion(NOON_MS + hour * 3_600_000, 7))


def report(asset: AssetRef, stage: str, segment: int, count: int, **changed: int | Outcome) -> SegmentProgressed:
    fields = {"video_ns": SEGMENT_NS, "cpu_us": 1_000_000 + segment, "read_bytes": 2_000_000 + segment} | changed
    return SegmentProgressed.model_validate(
        {"asset": asset, "stage": stage, "segment": segment, "segment_count": count, **fields}
    )


def change(asset: AssetRef, status: AssetStatus, *, done: int = 0) -> AssetChanged:
    return AssetChanged(asset=asset, uri="https://u:p@host/a.mp4?sig=s", status=status, segments_done=done)


def event(payload: Payload) -> Event:
    assert isinstance(payload, SegmentProgressed | AssetChanged)
    asset = payload.asset
    return Event(
        data=payload, tenant=asset.tenant, project=asset.project, subject=asset.asset_id, event_time_ms=NOON_MS
    )


def life(asset: AssetRef, count: int, rng: random.Random) -> list[Payload]:
    """Every stage's report of every segment, some twice with other measures, and the asset's statuses."""
    told: list[Payload] = [change(asset, AssetStatus.PLANNED)]
    for stage in STAGES:
        for segment in range(count):
            outcome = rng.choice([Outcome.DONE, Outcome.DONE, Outcome.DONE, Outcome.FAILED])
            told.append(report(asset, stage, segment, count, outcome=outcome))
            if outcome is Outcome.FAILED or rng.random() < 0.1:
                told.append(report(asset, stage, segment, count, cpu_us=rng.randrange(3_000_000)))
    return [*told, change(asset, AssetStatus.PARTIAL, done=count - 1), change(asset, AssetStatus.READY, done=count)]


def folded(payloads: Iterable[Payload]) -> dict[bytes, bytes]:
    """The table as the pure reducers make it."""
    table: dict[bytes, bytes] = {}
    for payload in payloads:
        table.update(entries(payload, table.get))
    return table


class ControlProcess:
    """`rushes control` in a process, killed and started at will, and in the end."""

    def __init__(self, servers: str, state: Path, *options: object, partitions: int) -> None:
        self._state = state
        self._arguments = ("control", "--broker", f"kafka://{servers}", "--partitions", partitions, *options)
        self._starts = 0
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.end()

    def start(self) -> None:
        self._starts += 1
        self.process = start(self._state, *self._arguments, log=self._log_file())

    def come_to(self, reached: Callable[[], bool], what: str) -> None:
        """Return when the point is reached; a process that ends before fails the test."""
        assert self.process is not None
        wait_for(reached, what, meanwhile=must_run(self.process, self._log_file()), within_s=240.0, every_s=0.2)

    def end(self, sig: signal.Signals = signal.SIGKILL) -> int:
        assert self.process is not None
        process, self.process = self.process, None
        os.kill(process.pid, sig)
        process.communicate(timeout=60)
        return process.returncode

    def log(self) -> str:
        return self._log_file().read_text()

    def _log_file(self) -> Path:
        return self._state.parent / f"control-{self._starts}.log"


def table(servers: str) -> dict[bytes, bytes]:
    return latest_values(KafkaSettings(servers), CHANGELOG, SystemClock())


def publish(broker: KafkaBroker, payloads: Sequence[Payload]) -> None:
    producer = broker.producer()
    for payload in payloads:
        record = encode(event(payload))
        producer.send(PROGRESS.name, record.key, record.value, record.headers)
    producer.flush(30.0)
    producer.close()

"""Fuzz campaigns as functions of a seed, for tests and, with other seeds and more cases, for a longer run by hand:
`python -m tests.support.fuzzing files|corpus|assets|payloads SEED COUNT`.
"""

import json
import random
import sys
import tempfile
import threading
import traceback
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pyarrow as pa
from prometheus_client import CollectorRegistry

from benchmarks.testbed.cells import BLUE, GREEN, RED, cell, span
from benchmarks.testbed.footage import corpus_clips, span_of
from decoders.protocol import Inspection
from decoders.sandbox.pool import ChildLimits, DecodePool
from decoders.sources.policy import SourcePolicy
from sinks.assets.ledger_entries import LedgerEntry, receipt_rows
from sinks.assets.lifecycle import AssetState, planned, settle
from sinks.dead_letters import _SCHEMA as LETTER_SCHEMA
from sinks.dead_letters import _row as letter_row
from sinks.schema import delta_rows, stored_rows
from stream.broker.contract import Record, TopicSpec
from stream.broker.memory.broker import MemoryBroker
from stream.clock import ManualClock
from stream.errors import BadEvent, StageError
from stream.events.annotations import Annotations
from stream.events.asset import (
    AssetDeleted,
    AssetPlanned,
    AssetPublished,
    Outcome,
    SegmentFailed,
    SegmentProgressed,
    SourceVersion,
)
from stream.events.base import Event, Payload
from stream.events.dead_letter import DeadLetter
from stream.events.frames import Frames
from stream.events.grid import SECOND_NS
from stream.events.ids import AssetVersion
from stream.events.progress import PartProgressed, Subject
from stream.observability.metrics import Metrics
from stream.operators.plan import PlanOperator
from stream.topology.codec import Encoded, EventDecoder, encode
from stream.topology.stage import Stage
from stream.topology.topics import ANNOTATIONS, ASSETS, DEAD_LETTERS, FRAMES, PROGRESS, SPANS, TOPICS
from stream.worker.pace import Pace
from stream.worker.worker import Worker
from tests.support.annotations import annotations, media, ref, segment_failed
from tests.support.annotations import planned as planned_event
from tests.support.mutations import forged_arrow, fuzz_clips, mutated, mutated_headers, mutated_json

MAX_CELLS = 8641  # 24 h, the limit of a claimed length


@dataclass(slots=True)
class Tally:
    """What became of the cases: codes of refusals (`` for those that went through), and what must not happen."""

    codes: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)


def fuzz_files(folder: Path, seed: int, count: int, *, clips: list[Path] | None = None, keep: bool = False) -> Tally:
    """Inspect and decode `count` mutated files through a real pool of two children."""
    tally = Tally()
    wholes = [(path.suffix, path.read_bytes()) for path in clips or fuzz_clips(folder)]
    limits = ChildLimits(memory_bytes=1 << 30, wall_s=60.0, cpu_s=30.0)
    policy = SourcePolicy(roots=(str(folder),))
    with DecodePool(children=2, policy=policy, limits=limits) as pool, ThreadPoolExecutor(2) as threads:

        def one(number: int) -> None:
            suffix, whole = wholes[number % len(wholes)]
            path = folder / f"case{number % 64}-{threading.get_ident()}{suffix}"
            path.write_bytes(mutated(whole, random.Random(f"{seed}/{number}")))
            code, defect = _decoded(pool, path)
            tally.codes[code] += 1
            if defect:
                tally.defects.append(f"case {number}{suffix}: {defect}")
                if keep:
                    path.rename(folder / f"defect{seed}-{number}{suffix}")
                    return
            path.unlink()

        for done in [threads.submit(one, number) for number in range(count)]:
            done.result()
    return tally


def _decoded(pool: DecodePool, path: Path) -> tuple[str, str]:
    """(code, defect): a file ends in all its cells or in an error that says why and names the others."""
    came: list[int] = []
    try:
        found = pool.inspect(str(path))
        span = span_of(found, path)
        if span.segment_count > MAX_CELLS:
            return "", f"{span.segment_count} cells"
        if span.segment_count > 60:
            return "long", ""
        for item in pool.decode(span):
            Frames.from_bytes(item.value)
            came.append(item.segment)
    except StageError as error:
        if not error.message or error.code in {"decoder_died", "decoder_hung"}:
            return error.code, f"{error.code}: {error.message}"
        named = set(error.segments)
        if came and (named & set(came) or len(named) + len(came) != span.segment_count):
            return error.code, f"{error.code} names {sorted(named)}, {came} came"
        return error.code, ""
    except Exception as error:  # noqa: BLE001 - what a fuzz run looks for
        return "defect", f"{type(error).__name__}: {error}"
    return ("", "") if came == list(range(span.segment_count)) else ("", f"{came} of {span.segment_count} cells")


@dataclass(frozen=True, slots=True)
class _Inspector:
    """Sees the same three cells behind every uri."""

    def inspect(self, uri: str, tenant: str) -> Inspection:
        return Inspection(SourceVersion(size_bytes=1000, tag="v1"), "c1", media(3), (0,))


class _NoReceipts:
    def outcomes(self, segment_ids: Sequence[str]) -> dict[str, Outcome]:
        return {}


def fuzz_asset_events(seed: int, count: int) -> Tally:
    """Mutated producer events through a worker with the real plan operator, and all that comes out decoded again."""
    tally = Tally()
    kit = PlanKit()
    for number in range(count):
        rng = random.Random(f"asset/{seed}/{number}")
        value, headers = _asset_record(rng)
        kit.send(value, headers, key=rng.choice((b"k", b"", b"\xff\x00", b"k" * 3000)))
        try:
            kit.step()
        except Exception as error:  # noqa: BLE001 - what a fuzz run looks for
            tally.defects.append(f"event {number}: {type(error).__name__}: {error}")
            kit = PlanKit()
            continue
        code = kit.drained()
        tally.codes[code] += 1
        if code in {"unexpected_error", "undecodable", "too_large"} or kit.pending():
            tally.defects.append(f"event {number}: {code} {value[:200]!r} {headers}")
    return tally


def _asset_record(rng: random.Random) -> tuple[bytes, dict[str, bytes]]:
    payload: Payload = AssetPublished(
        uri="https://user:password@host/a.mp4?sig=1",
        asset_id=rng.choice((None, "a")),
        size_bytes=1000,
        labels={"show": "news", "desk": "sport"},
        retention_days=3,
    )
    if rng.random() < 0.2:
        payload = AssetDeleted(asset_id="a", version=AssetVersion(1, 1))
    record = encode(Event(payload, "acme", "news", "a", 1_700_000_000_000))
    headers = dict(record.headers)
    if rng.random() < 0.3:
        attributes = {
            name.removeprefix("ce_"): text.decode() for name, text in headers.items() if name != "content-type"
        }
        return mutated_json(attributes | {"data": json.loads(record.value)}, rng), {}
    value = mutated_json(json.loads(record.value), rng) if rng.random() < 0.7 else record.value
    return value, mutated_headers(headers, rng)


class PlanKit:
    """The plan stage over a memory broker, one record at a time."""

    def __init__(self) -> None:
        clock = ManualClock()
        self._broker = MemoryBroker(clock)
        self._broker.ensure(TopicSpec(topic.name, 1, topic.max_message_bytes) for topic in TOPICS.values())
        self._broker.declare(ASSETS.name, "plan")
        targets = (SPANS, ANNOTATIONS, PROGRESS)
        self._readers = {
            topic: (self._broker.consumer([topic.name], "reader"), EventDecoder([topic]))
            for topic in (*targets, DEAD_LETTERS)
        }
        for reader, _ in self._readers.values():
            reader.poll(1, 0)
        stage = Stage(
            name="plan",
            sources=(ASSETS.name,),
            targets=tuple(topic.name for topic in targets),
            operator=lambda: PlanOperator(_Inspector(), _NoReceipts(), lambda *_: [range(3)]),
        )
        self._worker = Worker(
            stage,
            self._broker,
            clock=clock,
            metrics=Metrics(CollectorRegistry()),
            pace=Pace(poll_timeout_s=0.0),
        )

    def send(self, value: bytes, headers: dict[str, bytes], *, key: bytes) -> None:
        self._broker.producer().send(ASSETS.name, key, value, headers)

    def step(self) -> None:
        while self._worker.step():
            pass

    def pending(self) -> int:
        return self._broker.backlog(ASSETS.name, "plan").records

    def drained(self) -> str:
        """Decode everything that came out; the code of the dead letter, if that was one."""
        code = ""
        for reader, decoder in self._readers.values():
            records = reader.poll(1000, 0)
            reader.ack(records)
            for event in [decoder.decode(record) for record in records]:
                keep(event)
                if isinstance(event.data, DeadLetter):
                    code = event.data.code
        return code


def keep(event: Event) -> None:
    """What the sinks make of a payload before they store it: rows of the declared types."""
    match event.data:
        case Annotations():
            delta_rows(stored_rows([event.data]))
            receipt_rows([LedgerEntry.done(event.data, 0)])
        case SegmentFailed():
            receipt_rows([LedgerEntry.failed(event.data, 0)])
        case AssetPlanned():
            settle(
                planned(AssetState(tenant=event.data.asset.tenant, asset_id=event.data.asset.asset_id), event.data), {}
            )
        case DeadLetter():
            pa.Table.from_pylist([letter_row(event.data, {})], schema=LETTER_SCHEMA)


def fuzz_payloads(seed: int, count: int) -> Tally:
    """Mutated records of the inner topics through the codec, and what passes on to the rows that sinks store."""
    tally = Tally()
    samples = _inner_records()
    decoder = EventDecoder(TOPICS.values())
    for number in range(count):
        rng = random.Random(f"inner/{seed}/{number}")
        topic, record = samples[number % len(samples)]
        headers = mutated_headers(dict(record.headers), rng) if rng.random() < 0.2 else dict(record.headers)
        try:
            keep(
                decoder.decode(Record(topic, 0, number, b"k", _mutated_value(record, rng), headers, 1_700_000_000_999))
            )
        except BadEvent as error:
            tally.codes[error.code] += 1
        except Exception as error:  # noqa: BLE001 - what a fuzz run looks for
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{type(error).__name__}: {error}"[:300]
            tally.defects.append(f"record {number} of {topic}: {text} at {where.filename}:{where.lineno}")
        else:
            tally.codes[""] += 1
    return tally


def _mutated_value(record: Encoded, rng: random.Random) -> bytes:
    if record.headers["content-type"] == b"application/json":
        return mutated_json(json.loads(record.value), rng)
    if rng.random() < 0.5:
        return mutated(record.value, rng)
    return forged_arrow(record.value, rng)


def _inner_records() -> list[tuple[str, Encoded]]:
    made = annotations(labels={"show": "news"}, words=["a", "b"])
    dead_letter = DeadLetter(
        letter_id="l", stage="plan", topic="assets", partition=0, offset=1, append_time_ms=1, failed_at_ms=2,
        attempts=1, code="c", message="m", tenant="t", asset_id="a", event_type="e", key=b"k", value=b"v",
        headers={"ce_id": b"1"},
    )  # fmt: skip
    payloads: list[tuple[str, Payload]] = [
        (ANNOTATIONS.name, made),
        (ANNOTATIONS.name, planned_event(assumed=(1,))),
        (ANNOTATIONS.name, segment_failed()),
        (FRAMES.name, cell([(0, RED), (4, BLUE)])),
        (FRAMES.name, cell([(0, GREEN)], profile="fast")),
        (SPANS.name, span(0, 25 * SECOND_NS)),
        (DEAD_LETTERS.name, dead_letter),
        (PROGRESS.name, SegmentProgressed(asset=ref(), stage="s", segment=0, segment_count=3, video_ns=5)),
        (
            PROGRESS.name,
            PartProgressed(
                subject=Subject(kind="job", tenant="acme", project="news", id="j", version=ref().version),
                stage="s",
                part=0,
                parts=3,
                quantity=5,
                unit="frames",
            ),
        ),
    ]
    return [(topic, encode(Event(data, "acme", "news", "a", 1_700_000_000_000))) for topic, data in payloads]


def main() -> None:
    what, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    me = psutil.Process()
    with tempfile.TemporaryDirectory() as folder:
        shm = set(Path("/dev/shm").iterdir())
        clips = [path for path in corpus_clips() if path.stat().st_size < 3_000_000] if what == "corpus" else None

        def run(first: int, cases: int) -> Tally:
            match what:
                case "assets":
                    return fuzz_asset_events(first, cases)
                case "payloads":
                    return fuzz_payloads(first, cases)
            return fuzz_files(Path(folder), first, cases, clips=clips)

        run(0, 20)
        before = me.num_fds(), me.memory_info().rss >> 20
        tally = run(seed, count)
        after = me.num_fds(), me.memory_info().rss >> 20
    print(what, seed, count, dict(tally.codes.most_common()))  # noqa: T201
    for defect in tally.defects:
        print("DEFECT", defect)  # noqa: T201
    left = set(Path("/dev/shm").iterdir()) - shm
    print("fds and MiB before", before, "after", after, "children", me.children(), "shm", left)  # noqa: T201


if __name__ == "__main__":
    main()

"""How long from an event to a searchable clip of 5 seconds, warm and one at a time?

python -m benchmarks.searchable [--quick]
"""

import itertools
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pyarrow as pa

from benchmarks.bare_models import BareNetworks, Inputs
from benchmarks.bundle_cost import opened_bundle
from benchmarks.decode_cost import bare_full
from benchmarks.footage import DECODE_CHILDREN, HD_FACTS, MODEL_THREADS, SHORT_S, decoded, footage_dir, hd_clip, span_of
from benchmarks.harness import Report
from benchmarks.options import ROUNDS, rounds_wanted
from benchmarks.warm import TENANT, WarmTopology, warm_topology
from sinks.lance.sink import LanceSink
from sinks.query.filters import Filters
from sinks.query.moments import MomentIndex
from stream.clock import SystemClock
from stream.events.annotations import Annotations
from stream.events.asset import AssetPlanned, SpanPlanned
from stream.events.base import Event, Payload
from stream.events.ids import moment_id

CLIPS = 100
FEW_CLIPS = 10
PARTS = 10
STAGES = ("decode", "understand", "index")


def measure(clips: int) -> Report:
    clip, numbers = hd_clip(SHORT_S), itertools.count()
    with tempfile.TemporaryDirectory() as folder, warm_topology(Path(folder), clip, footage_dir()) as topology:
        bundle, bare, pool = opened_bundle(), BareNetworks(), topology.understanding.pool
        cells = decoded(pool, clip, "full")
        inputs = Inputs.of(cells)
        span = span_of(clip, pool.inspect(str(clip)), "full")
        sink = LanceSink(Path(folder) / "alone", SystemClock())
        sink.open()
        (made,) = bundle.annotate(cells, epoch_ms=1)
        alone: dict[str, Callable[[], object]] = {
            "inspect": lambda: pool.inspect(str(clip)),
            "decode": lambda: list(pool.decode(span)),
            "models": lambda: bundle.annotate(cells, epoch_ms=1),
            "index commit": lambda: _commit(sink, made, span, next(numbers)),
            "bare decode": lambda: bare_full(clip),
            "bare networks": lambda: bare.all(inputs),
        }
        for call in alone.values():
            call()
        # In turns: a slow minute of the machine strikes all of them alike.
        seen: list[float] = []
        reached: dict[str, list[float]] = {stage: [] for stage in STAGES}
        parts: dict[str, list[float]] = {name: [] for name in alone}
        for turn in range(clips):
            started_s = time.monotonic()
            seen.append(searchable_s(topology, clip, f"clip-{turn}"))
            for stage in STAGES:
                reached[stage].append(topology.reported_s[f"clip-{turn}", stage] - started_s)
            for name, call in alone.items() if turn % (clips // PARTS) == 0 else ():
                parts[name].append(_wall_s(call))
        sink.close()
    return _report(seen, {name: median(values) for name, values in (parts | reached_as(reached)).items()})


def searchable_s(topology: WarmTopology, clip: Path, asset_id: str) -> float:
    """From publishing until a query returns the asset's moments."""
    understanding = topology.understanding
    index = MomentIndex(understanding.settings.index_dir)
    space = understanding.bundle.embedder.space.key
    start_s = time.monotonic()
    topology.ingest(clip, asset_id, "full")
    found = index.moments(space, Filters(tenant=TENANT, asset_ids=(asset_id,)))
    taken_s = time.monotonic() - start_s
    if not found:
        raise RuntimeError(f"{asset_id} is ready but a query does not find it")
    topology.settle()
    return taken_s


def _commit(sink: LanceSink, made: Annotations, span: SpanPlanned, number: int) -> None:
    """One asset's plan and annotations, in two commits as they arrive in the topology."""
    asset = span.asset.model_copy(update={"tenant": TENANT, "asset_id": f"alone-{number}"})
    planned = AssetPlanned(
        asset=asset,
        uri=span.uri,
        content_digest=span.content_digest,
        settings=span.settings,
        media=span.media,
        segment_count=span.segment_count,
    )
    header = made.header.model_copy(update={"asset": asset, "content_key": planned.content_key})
    ids = [moment_id(header.segment_id, start_ns) for start_ns in made.rows["start_ns"].to_pylist()]
    column = made.rows.schema.get_field_index("moment_id")
    rows = made.rows.set_column(column, made.rows.schema.field(column), pa.array(ids))
    list(sink.process([_event(planned, asset.asset_id)]))
    list(sink.process([_event(Annotations(header, rows), asset.asset_id)]))


def _event(data: Payload, asset_id: str) -> Event:
    return Event(data, tenant=TENANT, project="bench", subject=asset_id, event_time_ms=SystemClock().now_ms())


def reached_as(reached: dict[str, list[float]]) -> dict[str, list[float]]:
    """Named for the table."""
    return {f"until {stage} is done": times for stage, times in reached.items()}


def _wall_s(call: Callable[[], object]) -> float:
    start_s = time.monotonic()
    call()
    return time.monotonic() - start_s


def _report(seen: list[float], parts: dict[str, float]) -> Report:
    report = Report(
        f"From event to searchable, a clip of {SHORT_S} s ({HD_FACTS}, full), warm, one at a time "
        f"({DECODE_CHILDREN} decode children, {MODEL_THREADS} model threads, {len(seen)} clips)"
    )
    services = ("inspect", "decode", "models", "index commit")
    alone_s = sum(parts[name] for name in services)
    bare_s = parts["bare decode"] + parts["bare networks"] + parts["index commit"]
    report.add(
        "event to searchable, p50",
        median(seen),
        "s",
        limit=f"bare decode + networks + commit {bare_s:.3g} s; each stage called alone {alone_s:.3g} s",
        note=f"at most 1.5 s; {median(seen) / bare_s:.2f}x bare (at most 1.3), {median(seen) / alone_s:.2f}x alone",
    )
    p99_s = sorted(seen)[math.ceil(0.99 * len(seen)) - 1]
    spread = f"fastest {min(seen):.3g} s, slowest {max(seen):.3g} s"
    report.add("event to searchable, p99", p99_s, "s", note=f"at most 3 s; {spread}")
    beside = {"decode": "bare decode", "models": "bare networks"}
    for name in services:
        limit = f"bare {parts[beside[name]]:.3g} s" if name in beside else ""
        report.add(f"{name} alone, p50", parts[name], "s", limit=limit)
    for stage in STAGES:
        report.add(f"until {stage} is done, p50", parts[f"until {stage} is done"], "s")
    return report


if __name__ == "__main__":
    rounds = rounds_wanted(__doc__)
    measure(CLIPS if rounds == ROUNDS else FEW_CLIPS).publish("searchable", rounds)

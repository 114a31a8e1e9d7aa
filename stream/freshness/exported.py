"""A snapshot as an exporter shows it at `/metrics`, for who has no broker to ask. Pure."""

from collections import defaultdict
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from stream.freshness.snapshot import LaneFlow, Snapshot, StageFlow, links, unlinked
from stream.observability import metrics
from stream.topology.lanes import LANES, Lane
from stream.topology.stage import Stage
from stream.topology.topology import Topology

Values = Mapping[str, Mapping[tuple[str, str], float]]


def snapshot_of(text: str, topology: Topology) -> Snapshot | None:
    """What `text` says of the stages of `topology` that it names; None where the exporter observes nothing now.
    How many partitions there are is not exported. Raises `ValueError` for what is no such text.
    """
    values: defaultdict[str, dict[tuple[str, str], float]] = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            place = sample.labels.get("stage", ""), sample.labels.get("lane", "")
            values[sample.name][place] = sample.value
    observed = values[metrics.OBSERVED.name].get(("", ""))
    if observed is None:
        return None
    named = {stage for stage, _ in values[metrics.REPLICAS.name]}
    reporting = [_flow(values, link.of, link.upstream) for link in links(topology) if link.stage in named]
    others = [_flow(values, stage, None) for stage in unlinked(topology) if stage.name in named]
    open_assets = int(values[metrics.OPEN_ASSETS.name].get(("", ""), 0))
    return Snapshot(round(observed * 1000), tuple(reporting), tuple(others), open_assets=open_assets)


def _flow(values: Values, stage: Stage, upstream: str | None) -> StageFlow:
    def of_stage(definition: metrics.Definition) -> float:
        return values[definition.counted_in(stage.unit).name].get((stage.name, ""), 0.0)

    def of_lane(definition: metrics.Definition, lane: Lane) -> float:
        return values[definition.counted_in(stage.unit).name].get((stage.name, lane), 0.0)

    return StageFlow(
        stage=stage.name,
        upstream=upstream,
        lanes={
            lane: LaneFlow(
                of_lane(metrics.FRESHNESS_LAG, lane),
                of_lane(metrics.WAITING, lane),
                of_lane(metrics.ARRIVAL, lane),
            )
            for lane in LANES
        },
        backlog=of_stage(metrics.BACKLOG),
        service=of_stage(metrics.SERVICE),
        stuck_partitions=int(of_stage(metrics.STUCK)),
        replicas=int(of_stage(metrics.REPLICAS)),
        concurrency=stage.concurrency,
        max_replicas=stage.max_replicas,
        role=stage.role,
        unit=stage.unit,
    )

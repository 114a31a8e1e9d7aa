"""`rushes status --broker`: assets from the topic `progress`, and the workers of each stage. It reads no store."""

from typing import TYPE_CHECKING, Any

from stream.cli.commands.ingest import as_json
from stream.cli.context import Context
from stream.cli.options.sessions import Cluster
from stream.cli.options.stored_settings import file_settings
from stream.cli.rendering.live import closing_table
from stream.cli.rendering.tables import plain_table
from stream.clock import SystemClock
from stream.control.progress import Progress
from stream.errors import BadEvent
from stream.pipelines.stages import GATE
from stream.pipelines.understanding import Understanding
from stream.sessions.tenant_register import registered_tenants
from stream.topology.codec import EventDecoder
from stream.topology.tenants import tenant_topic
from stream.topology.topics import PROGRESS

if TYPE_CHECKING:
    from stream.broker.kafka.broker import KafkaBroker


def status_on_cluster(shared: Context, cluster: Cluster, tenant: str | None, *, json_output: bool) -> None:
    """Prints assets and stages. `progress` keeps one week."""
    clock = SystemClock()
    topology = Understanding(file_settings(shared), clock, epoch_ms=0).topology()
    with cluster.connected(clock) as broker:
        progress = _folded_progress(broker)
        members = broker.members([stage.name for stage in topology.stages])
        stages: list[dict[str, Any]] = [
            {
                "stage": stage.name,
                "workers": members[stage.name],
                "records_waiting": sum(broker.backlog(source, stage.name).records for source in stage.sources),
            }
            for stage in topology.stages
        ]
        stages[:0] = _gate(broker)
    changes = [item for item in progress.changes() if tenant in (None, item.asset.tenant)]
    if json_output:
        shared.print_json({"assets": [as_json(item) for item in changes], "stages": stages})
        return
    shared.console.print(closing_table(changes))
    table = plain_table(f"Stages on {cluster.uri}", ("stage",), ("workers", "records waiting"))
    for row in stages:
        table.add_row(*(str(cell) for cell in row.values()))
    shared.console.print(table)


def _gate(broker: "KafkaBroker") -> list[dict[str, Any]]:
    """Where tenants have topics of their own: nothing in them is published while no gate runs."""
    topics = [tenant_topic(each).name for each in registered_tenants(broker)]
    if not topics:
        return []
    there = broker.partition_counts(topics)
    waiting = sum(broker.backlog(topic, GATE).records for topic in topics if topic in there)
    return [{"stage": GATE, "workers": broker.members([GATE])[GATE], "records_waiting": waiting}]


def _folded_progress(broker: "KafkaBroker") -> Progress:
    """Folds all retained records of `progress`."""
    progress, decoder = Progress(), EventDecoder([PROGRESS])
    # No group: reading must not move what any stage has acknowledged.
    tail = broker.tail(PROGRESS.name, from_start=True)
    try:
        while tail.behind:
            for record in tail.poll(10_000, 1.0):
                try:
                    progress.apply([decoder.decode(record).data])
                # Others may write to the topic. That is not ours to judge.
                except BadEvent:
                    continue
    finally:
        tail.close()
    return progress

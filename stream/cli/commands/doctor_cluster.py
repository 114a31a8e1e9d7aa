"""The checks of `rushes doctor --broker`: the cluster answers, accepts the login, and has the right topics. They create
and change nothing.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stream.cli.context import Context, explain
from stream.cli.options.partitions import Partitions
from stream.cli.options.sessions import Cluster
from stream.cli.options.stored_settings import file_settings
from stream.cli.rendering.checks import Check
from stream.clock import SystemClock
from stream.errors import StageError

if TYPE_CHECKING:
    from stream.broker.kafka.broker import KafkaBroker
    from stream.broker.kafka.client import KafkaSettings

ASK_TIMEOUT_S = 5.0


def cluster_checks(cluster: Cluster, shared: Context, partitions: Partitions) -> Iterator[Check]:
    """Yields the checks. A check that depends on a failed one is left out."""
    from stream.broker.kafka.client import client_versions

    yield Check("kafka client", True, client_versions())
    try:
        settings = cluster.settings()
    except StageError as error:
        yield Check("broker named", False, explain(error), "see --broker and --client-properties")
        return
    # Asked first without librdkafka: for it a wrong protocol is only a broker that does not answer.
    answering = listening(settings)
    yield answering
    # Without an answer the next checks would each wait for their time-out.
    if answering.good:
        yield from _inside(cluster, shared, partitions)


def listening(settings: "KafkaSettings") -> Check:
    """Whether a Kafka listener answers with the protocol of the client properties."""
    from stream.broker.kafka.listener import ask, protocol_of

    answer = ask(settings.servers.split(","), ASK_TIMEOUT_S)
    if answer is None:
        advice = "start it (`rushes kafka up` starts one on this machine), or correct the address"
        return Check("broker listens", False, f"nothing that speaks Kafka answers at {settings.servers}", advice)
    server, there = answer
    ours = protocol_of(settings.properties)
    found = f"{server} speaks {there}" + ("" if there.protocol == ours else f", the client properties say {ours}")
    advice = f"set security.protocol={there.protocol} in a file for --client-properties"
    return Check("broker listens", there.protocol == ours, found, advice)


def _inside(cluster: Cluster, shared: Context, partitions: Partitions) -> Iterator[Check]:
    # Named before each step, so that an error says which step it was.
    doing = "broker takes us"
    try:
        with cluster.connected(SystemClock()) as broker:
            nodes = broker.nodes()
            known = f"cluster {nodes.cluster_id}, {len(nodes.brokers)} broker(s), {len(nodes.topics)} topics"
            yield Check(doing, True, known)
            doing = "broker settings"
            broker.check_cluster()
            yield Check(doing, True, "offsets are remembered for long enough")
            doing = "topics"
            yield from _topics(broker, shared, partitions)
    except StageError as error:
        yield Check(doing, False, explain(error), "see the message")


def _topics(broker: "KafkaBroker", shared: Context, partitions: Partitions) -> Iterator[Check]:
    """Checks the topology's topics. Topics of optional stages may be missing."""
    from stream.pipelines.reference import whole_topology
    from stream.pipelines.understanding import Understanding
    from stream.topology.topics import ACCESS, DEPLOYMENTS, TENANTS

    # What this deployment needs. Optional stages have topics of their own.
    needed = {topic.name for topic in Understanding(file_settings(shared), SystemClock(), epoch_ms=0).topology().topics}
    # Those of tenants are as many as there are tenants, and the gate makes them itself.
    common = [topic for topic in whole_topology().topics if topic.owner is None]
    # No stage reads the registers, but the service and the commands of administrators do.
    specs = [
        *(topic.spec(partitions.of(topic.name)) for topic in common),
        *(topic.spec(1) for topic in (DEPLOYMENTS, TENANTS, ACCESS)),
    ]
    counts = broker.partition_counts(spec.name for spec in specs)
    for name, differing in broker.differences(specs).items():
        if differing is None:
            found = "missing" if name in needed else "not there, and not needed by every deployment"
            yield Check(f"topic {name}", name not in needed, found, "`rushes kafka topics` makes it")
        else:
            there, wanted = counts[name], next(spec.partitions for spec in specs if spec.name == name)
            also = "" if there == wanted else f", with {there} partitions and not {wanted}, which harms nothing"
            found = "; ".join(differing) or f"as it should be{also}"
            yield Check(f"topic {name}", not differing, found, "alter the topic")
    yield from _gate(broker)
    yield _audit_feed(broker)


def _gate(broker: "KafkaBroker") -> Iterator[Check]:
    from stream.pipelines.stages import GATE
    from stream.sessions.tenant_register import registered_tenants

    if tenants := len(registered_tenants(broker)):
        workers = broker.members([GATE])[GATE]
        count = f"{tenants} tenant{'' if tenants == 1 else 's'} with a topic of their own"
        found = f"{count}, and {workers or 'no'} gate that reads it"
        yield Check("topics of tenants", workers > 0, found, "`rushes run gate` passes on what they publish")


def _audit_feed(broker: "KafkaBroker") -> Check:
    """How long it keeps events is its operator's choice, so that nothing of it can be wrong."""
    from stream.sessions.audit_topic import TOPIC

    there = broker.partition_counts([TOPIC]).get(TOPIC)
    found = "not there: no SIEM subscribes here" if there is None else f"there, with {there} partitions"
    return Check(f"topic {TOPIC}", True, found)

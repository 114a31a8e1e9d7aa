"""What each process of jobs may do on a broker, as a table."""

from collections.abc import Collection

from deploy.documents.markdown import code, table
from stream.pipelines.reference import job_topology
from stream.topology.rights import BrokerRight, ResourceKind, RightTo, rights_of, rights_to_write
from stream.topology.topics import JOBS

_COLUMNS = (
    ("reads topics", ResourceKind.TOPIC, RightTo.READ),
    ("removes what is read from", ResourceKind.TOPIC, RightTo.DELETE),
    ("writes topics", ResourceKind.TOPIC, RightTo.WRITE),
    ("is a member of", ResourceKind.GROUP, RightTo.READ),
)


def job_rights() -> str:
    """One row a process; what all of them may do stands in the text around it."""
    topology = job_topology()
    processes = [(stage.name, rights_of(topology, [stage.name])) for stage in topology.stages]
    processes.append(("submit", rights_to_write(JOBS.name)))
    rows = [
        (code(name), *(_names(rights, kind, operation) for _, kind, operation in _COLUMNS))
        for name, rights in processes
    ]
    return table(("process", *(head for head, _, _ in _COLUMNS)), rows)


def _names(rights: Collection[BrokerRight], kind: ResourceKind, operation: RightTo) -> str:
    return ", ".join(code(right.name) for right in rights if (right.kind, right.operation) == (kind, operation))

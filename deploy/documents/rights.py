"""What each process may do on a broker, as a table."""

from collections.abc import Collection

from deploy.documents.markdown import code, table
from stream.pipelines.rights import process_names, rights_of_processes
from stream.topology.rights import BrokerRight, ResourceKind, RightTo

_COLUMNS = (
    ("reads topics", ResourceKind.TOPIC, RightTo.READ),
    ("removes what is read from", ResourceKind.TOPIC, RightTo.DELETE),
    ("writes topics", ResourceKind.TOPIC, RightTo.WRITE),
    ("is a member of", ResourceKind.GROUP, RightTo.READ),
)


def rights() -> str:
    """One row a process; what all of them may do stands in the text around it."""
    processes = [(name, rights_of_processes([name])) for name in process_names()]
    rows = [
        (code(name), *(_names(found, kind, operation) for _, kind, operation in _COLUMNS)) for name, found in processes
    ]
    return table(("process", *(head for head, _, _ in _COLUMNS)), rows)


def _names(found: Collection[BrokerRight], kind: ResourceKind, operation: RightTo) -> str:
    there = (right for right in found if (right.kind, right.operation) == (kind, operation))
    return ", ".join(code(right.name + "*" if right.prefixed else right.name) for right in there)

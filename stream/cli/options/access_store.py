"""Where a command finds the register of access: in the state directory, or on a cluster."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from stream.access.register_file import RegisterFile
from stream.access.store import AccessStore
from stream.cli.context import Context
from stream.cli.options.sessions import Cluster
from stream.clock import SystemClock

AccessBroker = Annotated[
    str | None,
    typer.Option("--broker", help="kafka://host:port[,host:port…]: roles and keys are those of the deployment there."),
]


@contextmanager
def access_store(context: Context, broker: str | None, client_properties: Path | None) -> Iterator[AccessStore]:
    """For the block. On a cluster the state directory has the secret of keys alone."""
    cluster = Cluster.named(broker, client_properties, context.deployment)
    if cluster is None:
        yield RegisterFile(context.state_dir)
        return
    from stream.sessions.access_topic import RegisterTopic

    clock = SystemClock()
    with cluster.connected(clock) as there, closing(RegisterTopic(there, clock, context.state_dir)) as found:
        yield found

"""Where a command finds the registers of access and of tenants: in the state directory, or on a cluster."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from sinks.maintenance.marker import marked
from stream.access.register_file import RegisterFile
from stream.access.store import AccessStore
from stream.cli.context import Context
from stream.cli.options.sessions import Cluster
from stream.clock import SystemClock
from stream.errors import StageError
from stream.pipelines.source_policies import KnownTenants

AccessBroker = Annotated[
    str | None,
    typer.Option("--broker", help="kafka://host:port[,host:port…]: roles and keys are those of the deployment there."),
]


@contextmanager
def access_store(
    context: Context, broker: str | None, client_properties: Path | None, *, oldest_s: float | None = None
) -> Iterator[AccessStore]:
    """For the block. On a cluster the state directory has the secret of keys alone. `oldest_s`: how long rights count
    while the cluster does not answer.
    """
    cluster = Cluster.named(broker, client_properties, context.deployment)
    if cluster is None:
        _hint_at_cluster(context)
        yield RegisterFile(context.state_dir)
        return
    from stream.sessions.access_topic import OLDEST_S, RegisterTopic

    clock, age_s = SystemClock(), oldest_s or OLDEST_S
    with (
        cluster.connected(clock) as there,
        closing(RegisterTopic(there, clock, context.state_dir, oldest_s=age_s)) as found,
    ):
        yield found


@contextmanager
def known_tenants(context: Context, broker: str | None, client_properties: Path | None) -> Iterator[KnownTenants]:
    """For the block."""
    from stream.sessions.tenant_register import TenantsFile, TenantsTopic

    cluster = Cluster.named(broker, client_properties, context.deployment)
    if cluster is None:
        yield TenantsFile(context.state_dir)
        return
    with cluster.connected(SystemClock()) as there, closing(TenantsTopic(there)) as found:
        yield found


def register_place(context: Context, broker: str | None) -> str:
    """Where `access_store` looks, in words."""
    return f"in {context.state_dir}" if broker is None else f"on {broker}"


def _hint_at_cluster(context: Context) -> None:
    """Who forgets --broker would take a role here and believe it gone, while it holds on the cluster."""
    with suppress(StageError):
        mark = marked(context.state_dir)
        if mark is not None and mark.cluster:
            context.errors.print(
                "These are roles and keys of the state directory. Its stores belong to a cluster: those of the cluster"
                " need --broker.",
                soft_wrap=True,
            )

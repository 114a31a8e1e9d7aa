"""`rushes adopt`: assigns the stores of the state directory to a deployment, also if another
one owns them (ADR 0034).
"""

from typing import TYPE_CHECKING

import typer

from stream.cli.context import Context
from stream.cli.options.sessions import BrokerUri, ClientProperties, Cluster
from stream.cli.options.stored_settings import file_settings
from stream.clock import Clock, SystemClock
from stream.errors import Fatal
from stream.pipelines.settings import Settings

if TYPE_CHECKING:
    from stream.broker.kafka.broker import KafkaBroker


def adopt(context: typer.Context, broker: BrokerUri = None, client_properties: ClientProperties = None) -> None:
    """Assign the stores under --state to this deployment, for example after a loss, a move or a new cluster. With
    --broker its workers then use these stores and refuse others. Stop the workers that open stores first.
    """
    shared: Context = context.obj
    settings, clock = file_settings(shared), SystemClock()
    cluster = Cluster.named(broker, client_properties, shared.deployment)
    if cluster is None:
        adopt_locally(settings)
    else:
        with cluster.connected(clock) as there:
            adopt_on_cluster(settings, there, clock)
    where = "" if cluster is None else f" on {cluster.uri}"
    shared.console.print(
        f"The stores under {settings.state_dir} now belong to deployment {settings.deployment!r}{where}.",
        soft_wrap=True,
    )


def adopt_locally(settings: Settings, cluster: str = "") -> str:
    """Adopts the stores and returns their id. Raises `Unavailable` while a process writes to them."""
    from sinks.maintenance.marker import adopted
    from sinks.writer import all_writers, writing

    # All locks: a writer that is still running would write under the new owner.
    with writing(*all_writers(*settings.stores)):
        return adopted(settings.state_dir, settings.stores, settings.deployment, cluster).stores


def adopt_on_cluster(settings: Settings, broker: "KafkaBroker", clock: Clock) -> None:
    """Adopts the stores on the cluster as well. Raises `Fatal` (`stores_in_use`) while workers use its stores."""
    from stream.events.deployment import StoresClaimed
    from stream.pipelines.understanding import needing
    from stream.sessions.deployment_register import announce
    from stream.sessions.stage_process import place_of
    from stream.topology.topics import DEPLOYMENTS

    # Before the stores change hands: workers would go on with them.
    if busy := sorted(stage for stage, count in broker.members(sorted(needing("state"))).items() if count):
        raise Fatal(
            f"workers of {', '.join(busy)} use this deployment's stores: stop them first",
            code="stores_in_use",
        )
    stores = adopt_locally(settings, broker.cluster())
    # One partition: the order of all words in it decides (ADR 0034).
    broker.ensure([DEPLOYMENTS.spec(1)])
    announce(broker, [StoresClaimed(stores=stores, place=place_of(settings.state_dir), adopted=True)], clock.now_ms())

"""What each process of a deployment may do on a broker with an authorizer: a stage, or one of `OUTSIDE`."""

from collections.abc import Callable, Collection, Mapping

from stream.broker.observation import GROUP as OBSERVERS
from stream.control.state import APP, CHANGELOG
from stream.pipelines.reference import job_topology, whole_topology
from stream.pipelines.stages import GATE
from stream.pipelines.understanding import reference_topology
from stream.topology.rights import (
    BrokerRight,
    ResourceKind,
    RightTo,
    rights_of,
    rights_to_describe,
    rights_to_follow,
    rights_to_work,
    rights_to_write,
)
from stream.topology.tenants import ANY_TENANT
from stream.topology.topics import ASSETS, DEAD_LETTERS, DEPLOYMENTS, JOBS, PROGRESS, TENANTS
from stream.topology.topology import Topology

Rights = Collection[BrokerRight]


def process_names() -> tuple[str, ...]:
    """Each stage, then those outside."""
    return (*(stage.name for stage in whole_topology().stages), *OUTSIDE)


def rights_of_processes(names: Collection[str]) -> tuple[BrokerRight, ...]:
    """Of a user that runs all of these. Raises `UnknownStage` for a name that is none of `process_names`."""
    return tuple(sorted({right for name in names for right in _rights(name)}))


def _rights(name: str) -> Rights:
    if name in OUTSIDE:
        return OUTSIDE[name]()
    whole = whole_topology()
    jobs = job_topology()
    if name in (stage.name for stage in jobs.stages):
        return rights_of(jobs, [name])
    understanding = reference_topology(gated=name == GATE)
    if name in (stage.name for stage in understanding.stages):
        return {*rights_of(understanding, [name]), *_membership(understanding, name)}
    work = rights_to_work(whole.stage(name))
    return {*_of_control(whole), *(_of_app(work) if name == APP else work)}


def _membership(topology: Topology, name: str) -> Rights:
    """Each process reads whose the deployment is, and which tenants there are. The first one with stores says that
    they are the deployment's, and the first one with models begins the roll-out.
    """
    found = {right for topic in (DEPLOYMENTS, TENANTS) for right in rights_to_describe(topic.name)}
    found |= {right for topic in (DEPLOYMENTS, TENANTS) for right in rights_to_follow(topic.name)}
    launch = topology.stage(name).launch
    if launch.same_models or "state" in launch.volumes:
        found |= {*rights_to_write(DEPLOYMENTS.name)}
    return found


def _of_control(whole: Topology) -> Rights:
    """`rushes control` compares its topics with what they should be, and the parts of its table with those of
    `progress`. It trims nothing.
    """
    stages = [whole.stage(name) for name in (APP, "webhook")]
    topics = {name for stage in stages for name in (*stage.sources, *stage.targets)} | {DEAD_LETTERS.name}
    return {right for name in topics for right in rights_to_describe(name)}


def _of_app(work: Rights) -> Rights:
    """Faust makes the topic of its table, and asks for it at each start. A bad report leaves no dead letter."""
    table = (RightTo.CREATE, RightTo.DESCRIBE, RightTo.READ, RightTo.WRITE)
    found = {right for right in work if right.name != DEAD_LETTERS.name}
    return found | {BrokerRight(ResourceKind.TOPIC, CHANGELOG, to) for to in table}


def _of_observers() -> Rights:
    """`rushes lag` and the exporter, also with `--jobs`."""
    whole = whole_topology()
    read = {ASSETS.name, PROGRESS.name, TENANTS.name, *ANY_TENANT.topics()}
    found = {right for name in read for right in rights_to_follow(name)}
    found |= {right for topic in whole.topics for right in rights_to_follow(topic.name)[:1]}
    found |= {BrokerRight(ResourceKind.GROUP, stage.name, RightTo.DESCRIBE) for stage in whole.stages}
    return found | {BrokerRight(ResourceKind.GROUP, OBSERVERS, to) for to in (RightTo.DESCRIBE, RightTo.READ)}


OUTSIDE: Mapping[str, Callable[[], Rights]] = {
    "publish": lambda: rights_to_write(ASSETS.name),
    "submit": lambda: rights_to_write(JOBS.name),
    "observe": _of_observers,
}
"""Who publishes to the topic that all tenants share, who submits and steers jobs, and who watches."""

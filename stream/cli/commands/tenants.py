"""`rushes tenants`: which tenants publish through a topic of their own, and what their records may claim."""

import os
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError
from rich import box
from rich.table import Table

from decoders.sources.limits import SourceLimits
from decoders.sources.uris import local_path
from stream.cli.context import Context, DeploymentCommand, UsageProblem
from stream.cli.options.partitions import PartitionCounts, Partitions
from stream.cli.options.sessions import BrokerUri, ClientProperties, Cluster
from stream.cli.rendering.sanitize import shown
from stream.clock import SystemClock
from stream.errors import BadMedia, Fatal
from stream.events.tenants import MOST_BYTE_RATE, MOST_REQUEST_PERCENTAGE, TenantRegistered
from stream.topology.tenants import Tenants, tenant_topic

if TYPE_CHECKING:
    from stream.sessions.tenant_changes import TenantChanges, TopicRights, UserQuotas

app = typer.Typer(help="Tenants with a topic of their own, which no other producer may write.", no_args_is_help=True)

TenantName = Annotated[str, typer.Argument(help="The tenant: letters, digits, - and _.", metavar="TENANT")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]


@app.command(cls=DeploymentCommand)
def add(
    context: typer.Context,
    tenant: TenantName,
    project: Annotated[
        list[str] | None,
        typer.Option(help="What its records may belong to, the first where they name none; repeatable."),
    ] = None,
    any_project: Annotated[bool, typer.Option("--any-project", help="Whichever its records name.")] = False,
    region: Annotated[
        list[str] | None, typer.Option(help="As --project, for the region that records name; repeatable.")
    ] = None,
    any_region: Annotated[bool, typer.Option("--any-region", help="Whichever its records name.")] = False,
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="Where its footage may lie: a real folder, s3://BUCKET/PREFIX or https://HOST/FOLDER/; repeatable."
        ),
    ] = None,
    any_source: Annotated[bool, typer.Option("--any-source", help="Wherever workers may read.")] = False,
    principal: Annotated[
        list[str] | None,
        typer.Option(
            help="User:NAME who alone may write the topic, as the cluster's authorizer knows it; repeatable. Without:"
            " who may write stays as it is."
        ),
    ] = None,
    producer_byte_rate: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_BYTE_RATE,
            help="Client quota: bytes a second that each of those users may send to one broker.",
        ),
    ] = None,
    request_percentage: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=MOST_REQUEST_PERCENTAGE,
            help="Client quota: time that each of those users may take of one broker's request threads, 100 for one.",
        ),
    ] = None,
    no_quotas: Annotated[bool, typer.Option("--no-quotas", help="Lift the client quotas.")] = False,
    broker: BrokerUri = None,
    client_properties: ClientProperties = None,
    partitions: PartitionCounts = None,
) -> None:
    """Give a tenant a topic of its own, or one that has it new limits. Its records are its own, whatever they say.

    What the command does not name stays as it was; of a new tenant it is bounded by nothing.
    With --broker it makes the topic `assets.TENANT`, which `rushes run gate` reads. Without, the limits count for
    `rushes ingest --tenant TENANT` with this state directory.
    """
    producers = _producers(principal or ())
    quotas = {"producer_byte_rate": producer_byte_rate, "request_percentage": request_percentage}
    if broker is None and (producers or any(quotas.values())):
        raise UsageProblem("--principal and client quotas need --broker: only a cluster knows users")
    said = {
        **_limit("projects", "--any-project", project, lifted=any_project),
        **_limit("regions", "--any-region", region, lifted=any_region),
        **_limit("sources", "--any-source", _sources(source or (), here=broker is None), lifted=any_source),
        **_quotas(quotas, lifted=no_quotas),
    }
    changes = _changes(context, broker, client_properties, partitions)
    before = changes.tenants().now.get(tenant)
    added = _registered(tenant, before, said)
    wrote = changes.producers(added)
    changes.add(added, producers)
    shared: Context = context.obj
    shared.console.print(f"tenant {tenant} publishes through {tenant_topic(added).name}.", soft_wrap=True)
    was = dict(_told(before or added, wrote if before else producers or wrote))
    for name, value in _told(added, producers or wrote)[1:]:
        changed = "" if value == was[name] else f" (before: {shown(was[name])})"
        shared.console.print(f"  {name}: {shown(value)}{changed}", soft_wrap=True)


@app.command(cls=DeploymentCommand)
def remove(
    context: typer.Context, tenant: TenantName, broker: BrokerUri = None, client_properties: ClientProperties = None
) -> None:
    """Take a tenant's topic away from the gate. The topic, and what was published, stay."""
    changes = _changes(context, broker, client_properties)
    _known(changes.tenants(), tenant)
    changes.remove(tenant)
    shared: Context = context.obj
    shared.console.print(f"tenant {tenant} publishes nothing through a topic of its own any more.", soft_wrap=True)


@app.command("list", cls=DeploymentCommand)
def list_(
    context: typer.Context,
    broker: BrokerUri = None,
    client_properties: ClientProperties = None,
    json_output: AsJson = False,
) -> None:
    """Show the tenants with a topic of their own."""
    shared: Context = context.obj
    known = _changes(context, broker, client_properties).tenants()
    found = [known.now[name] for name in sorted(known.now)]
    if json_output:
        shared.print_json([each.model_dump(mode="json") for each in found])
        return
    table = Table(title="Tenants", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("tenant", "topic", "projects", "regions", "sources"):
        table.add_column(column, overflow="fold")
    for each in found:
        table.add_row(*map(shown, (each.tenant, *(value for _, value in _limits(each)))))
    shared.console.print(table if found else "No tenant has a topic of its own.")


@app.command(cls=DeploymentCommand)
def show(
    context: typer.Context,
    tenant: TenantName,
    broker: BrokerUri = None,
    client_properties: ClientProperties = None,
    json_output: AsJson = False,
) -> None:
    """Show what the records of a tenant may claim."""
    shared: Context = context.obj
    changes = _changes(context, broker, client_properties)
    found = _known(changes.tenants(), tenant)
    producers = sorted(changes.producers(found))
    held = _quotas_on_brokers(shared, changes, producers)
    if json_output:
        shared.print_json(found.model_dump(mode="json") | {"producers": producers, "quotas": held})
        return
    for name, value in _told(found, producers):
        shared.console.print(f"{name}: {shown(value)}", soft_wrap=True)
    for principal, values in (held or {}).items():
        shared.console.print(f"quotas of {shown(principal)} on the brokers: {_bounds(values)}", soft_wrap=True)


def _changes(
    context: typer.Context,
    broker: str | None,
    client_properties: ClientProperties,
    partitions: Sequence[str] | None = None,
) -> "TenantChanges":
    from stream.sessions.tenant_changes import ClusterTenants, LocalTenants

    shared: Context = context.obj
    counts = Partitions.parse(partitions)
    cluster = Cluster.named(broker, client_properties, shared.deployment)
    if cluster is None:
        return LocalTenants(shared.state_dir)
    clock = SystemClock()

    def rights() -> "TopicRights":
        from stream.broker.kafka.rights import ProducerRights

        return ProducerRights(cluster.settings(), clock)

    def quotas() -> "UserQuotas":
        from stream.broker.kafka.quotas import ClientQuotas

        return ClientQuotas(cluster.settings())

    return ClusterTenants(lambda: cluster.connected(clock), clock, counts.of, rights, quotas)


def _sources(words: Sequence[str], *, here: bool) -> tuple[str, ...]:
    """As the register keeps them. Folders of this machine are resolved now and never again (ADR 0036); those of workers
    cannot be, so only their real paths are of use. Raises `UsageProblem`.
    """
    found = []
    for word in words:
        if "://" in word and not word.lower().startswith("file://"):
            found.append(word)
            continue
        try:
            path = str(local_path(word))
        except BadMedia as error:
            raise UsageProblem(f"--source {shown(word)}: {error.message}") from None
        found.append(os.path.realpath(path) if here else path)
    try:
        SourceLimits.of(found)
    except ValueError as error:
        relative = [word for word in found if "://" not in word and not word.startswith("/")]
        hint = f"; on this machine it is {shown(os.path.realpath(relative[0]))}" if relative else ""
        raise UsageProblem(f"--source {shown(str(error))}{hint}") from None
    return tuple(dict.fromkeys(found))


def _known(tenants: Tenants, name: str) -> TenantRegistered:
    found = tenants.now.get(name)
    if found is None:
        raise UsageProblem(f"no tenant {shown(name)} has a topic of its own: `rushes tenants list` shows them")
    return found


def _registered(
    tenant: str, before: TenantRegistered | None, said: Mapping[str, Sequence[str] | float | None]
) -> TenantRegistered:
    """What it had, with what was said in place of it. Raises `UsageProblem`."""
    held = before.model_dump() if before else {"tenant": tenant}
    try:
        return TenantRegistered.model_validate(held | dict(said))
    except ValidationError as error:
        fault = error.errors()[0]
        raise UsageProblem(f"{fault['loc'][0]}: {fault['msg']}") from None


def _producers(words: Sequence[str]) -> tuple[str, ...]:
    if wrong := [each for each in words if not each.startswith("User:") or each in {"User:", "User:*"}]:
        raise UsageProblem(f"--principal {shown(wrong[0])}: write User:NAME, one user each")
    return tuple(dict.fromkeys(words))


def _limit(name: str, option: str, words: Sequence[str] | None, *, lifted: bool) -> dict[str, tuple[str, ...]]:
    """Empty where nothing was said: a limit that is lifted by leaving it out would open a tenant by a slip."""
    if words and lifted:
        raise UsageProblem(f"{option} and names of {name}: say one of them")
    return {name: tuple(dict.fromkeys(words or ()))} if words or lifted else {}


def _quotas(values: Mapping[str, float | None], *, lifted: bool) -> dict[str, float | None]:
    said = {name: value for name, value in values.items() if value is not None}
    if said and lifted:
        raise UsageProblem("--no-quotas and a quota: say one of them")
    return dict.fromkeys(values) if lifted else dict(said)


def _quotas_on_brokers(
    shared: Context, changes: "TenantChanges", producers: Collection[str]
) -> dict[str, dict[str, float]] | None:
    """None where this user may not ask for them: all else is shown."""
    try:
        return changes.quotas(producers)
    except Fatal as error:
        shared.errors.print(
            f"what the brokers hold is not known: {shown(error.message)} [{error.code}]", soft_wrap=True
        )
        return None


def _limits(tenant: TenantRegistered) -> list[tuple[str, str]]:
    limits = (("projects", tenant.projects), ("regions", tenant.regions), ("sources", tenant.sources))
    return [("topic", tenant_topic(tenant).name), *((name, _any(values)) for name, values in limits)]


def _told(tenant: TenantRegistered, producers: Collection[str]) -> list[tuple[str, str]]:
    return [
        *_limits(tenant),
        ("producers", ", ".join(sorted(producers)) or "whoever the cluster lets"),
        ("quotas", _bounds(tenant.quotas)),
    ]


def _bounds(quotas: Mapping[str, float]) -> str:
    return (
        ", ".join(f"{name}={value:g}" if value % 1 else f"{name}={value:.0f}" for name, value in quotas.items())
        or "none"
    )


def _any(names: Sequence[str]) -> str:
    return ", ".join(names) or "any"

"""`rushes access`: who has which role where, and keys for programs."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from stream.access.actions import MEANINGS, ROLES, AccessRole, Action
from stream.access.api_keys import digest_of, new_key
from stream.access.decision import Access
from stream.access.narrowing import Narrowing, narrowed
from stream.access.records import HOLDER_FORMS, MEMBER_FORMS, ApiKey, Grant, NewHolder, NewMember, Team, service_account
from stream.access.register import AccessRegister
from stream.access.store import AccessStore
from stream.audit.files import OF_SERVICE
from stream.cli.auditing import note_key, operating_system_user
from stream.cli.context import AnsweredNo, Context, DeploymentCommand, UsageProblem
from stream.cli.options.access_store import AccessBroker, access_store, register_place
from stream.cli.options.sessions import ClientProperties
from stream.cli.rendering.sanitize import shown
from stream.clock import SystemClock
from stream.errors import BadRequest

app = typer.Typer(help="Who may do what with whose footage, and keys for programs.", no_args_is_help=True)
_DAY_MS = 86_400_000
MOST_DAYS = 3_650
_TEAM = "team:"

TenantOption = Annotated[str, typer.Option(help="Whose footage it is.")]
ProjectOption = Annotated[str | None, typer.Option(help="Only in this project. Without: in all of the tenant's.")]
Holder = Annotated[
    str,
    typer.Argument(help=f"{HOLDER_FORMS}."),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]


@app.command(cls=DeploymentCommand)
def give(
    context: typer.Context,
    role: Annotated[AccessRole, typer.Argument(help="The role; `rushes access roles` explains them.")],
    holder: Holder,
    tenant: TenantOption = "default",
    project: ProjectOption = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=MOST_DAYS, help="How long. Without: until it is taken.")
    ] = None,
    broker: AccessBroker = None,
    client_properties: ClientProperties = None,
) -> None:
    """Give somebody a role. From the first one on, every request to the service needs a key."""
    _require_form(NewHolder, holder, f"write {HOLDER_FORMS}")
    now_ms = SystemClock().now_ms()
    grant = _checked(
        Grant,
        tenant=tenant,
        project=project,
        role=role,
        holder=holder,
        until_ms=None if days is None else now_ms + days * _DAY_MS,
        given_by=operating_system_user().uid,
        given_at_ms=now_ms,
    )
    with _changed(context, broker, client_properties) as register:
        register.put(grant)
        reaches = _reaches(register.register(), grant)
    _say(context, f"{holder} is {role} {_where(tenant, project)}.")
    if not reaches:
        _hint(context, f"{holder} of {tenant} has no members yet: `rushes access team` says who is in it.")


@app.command(cls=DeploymentCommand)
def take(
    context: typer.Context,
    role: Annotated[AccessRole, typer.Argument(help="The role.")],
    holder: Holder,
    tenant: TenantOption = "default",
    project: ProjectOption = None,
    broker: AccessBroker = None,
    client_properties: ClientProperties = None,
) -> None:
    """Take a role away; what was given elsewhere stays."""
    # The key of a grant leaves out who gave it and when, so any values find it.
    sought = _checked(Grant, tenant=tenant, project=project, role=role, holder=holder, given_by="none", given_at_ms=0)
    with _changed(context, broker, client_properties) as register:
        found = register.take(sought.key)
    if not found:
        raise UsageProblem(
            f"{holder} is not {role} {_where(tenant, project)} {register_place(context.obj, broker)}: `rushes access"
            " list` shows who is"
        )
    _say(context, f"{holder} is no longer {role} {_where(tenant, project)}.")


@app.command(cls=DeploymentCommand)
def team(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The team.")],
    member: Annotated[
        list[str] | None,
        typer.Option(help=f"Who is in it, all of them; repeatable: {MEMBER_FORMS}."),
    ] = None,
    tenant: TenantOption = "default",
    broker: AccessBroker = None,
    client_properties: ClientProperties = None,
) -> None:
    """Say who is in a team. Without --member it is empty, and its roles reach nobody."""
    for each in member or ():
        _require_form(NewMember, each, f"write {MEMBER_FORMS}")
    filled = _checked(Team, tenant=tenant, name=name, members=tuple(dict.fromkeys(member or ())))
    with _changed(context, broker, client_properties) as register:
        register.put(filled)
    count = len(filled.members)
    _say(context, f"team {name} of {tenant} has {count} member{'' if count == 1 else 's'}.")


@app.command(cls=DeploymentCommand)
def key(
    context: typer.Context,
    owner: Annotated[str, typer.Argument(help="Name of the program, as in service:TENANT/NAME.")],
    tenant: TenantOption = "default",
    project: ProjectOption = None,
    role: Annotated[list[AccessRole] | None, typer.Option(help="Only what this role may; repeatable.")] = None,
    days: Annotated[int, typer.Option(min=1, max=MOST_DAYS, help="How long it is valid.")] = 90,
    broker: AccessBroker = None,
    client_properties: ClientProperties = None,
) -> None:
    """Make a key for a program and print it, once: nothing can show it again. It can do what the program's roles allow,
    less what --project and --role leave out.
    """
    now_ms, secret = SystemClock().now_ms(), new_key()
    with _changed(context, broker, client_properties) as register:
        made = _checked(
            ApiKey,
            # Not made from the secret, as lists and the audit trail show it.
            key_id=f"k{token_hex(6)}",
            tenant=tenant,
            owner=owner,
            digest=digest_of(secret, register.pepper()),
            roles=tuple(role) if role else None,
            project=project,
            until_ms=now_ms + days * _DAY_MS,
            made_by=operating_system_user().uid,
            made_at_ms=now_ms,
        )
        register.put(made)
    note_key(context, made)
    shared: Context = context.obj
    # The words on stderr, so that a script gets the key alone.
    shared.errors.print(f"key {made.key_id} of {made.principal}, valid for {days} days; it is shown only now:")
    shared.write(f"{secret}\n")


@app.command(cls=DeploymentCommand)
def narrow(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(help="Id of the key.")],
    project: Annotated[str | None, typer.Option(help="Only in this project from now on.")] = None,
    role: Annotated[list[AccessRole] | None, typer.Option(help="Only what this role may; repeatable.")] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=MOST_DAYS, help="It ends so many days from now, which has to be sooner.")
    ] = None,
    broker: AccessBroker = None,
    client_properties: ClientProperties = None,
) -> None:
    """Let a key end sooner, or do less, with its next request. It never becomes more: for that make a new one."""
    until_ms = None if days is None else SystemClock().now_ms() + days * _DAY_MS
    wanted = Narrowing(tuple(role) if role else None, project, until_ms)
    with _changed(context, broker, client_properties) as register:
        found = register.register().get(f"key/{key_id}")
        if not isinstance(found, ApiKey):
            raise _no_key(context, key_id, broker)
        try:
            fewer = narrowed(found, wanted)
        except BadRequest as error:
            raise UsageProblem(error.message) from None
        made = _checked(ApiKey, **fewer.model_dump())
        if not register.exchange(found, made):
            raise UsageProblem(f"somebody has just changed key {shown(key_id)}: look at it, and try again")
    note_key(context, made)
    _say(
        context,
        f"key {key_id} has less from now on: {', '.join(_row(made)[4:])} (UTC) {_where(made.tenant, made.project)}.",
    )


@app.command(cls=DeploymentCommand)
def revoke(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(help="Id of the key.")],
    broker: AccessBroker = None,
    client_properties: ClientProperties = None,
) -> None:
    """End a key at once."""
    with _changed(context, broker, client_properties) as register:
        found = register.register().get(f"key/{key_id}")
        if not isinstance(found, ApiKey) or not register.take(found.key):
            raise _no_key(context, key_id, broker)
    note_key(context, found)
    _say(context, f"key {key_id} is revoked.")


@app.command("list", cls=DeploymentCommand)
def list_(
    context: typer.Context,
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant.")] = None,
    json_output: AsJson = False,
    broker: AccessBroker = None,
    client_properties: ClientProperties = None,
) -> None:
    """Show roles, teams and keys; of keys never the secret."""
    shared: Context = context.obj
    with _store(context, broker, client_properties) as register:
        records = register.register().records(tenant)
    if json_output:
        shared.print_json([_document(record) for record in records])
        return
    table = Table(title="Access", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("kind", "tenant", "project", "who", "what", "until (UTC)"):
        table.add_column(column, overflow="fold")
    for record in records:
        table.add_row(*map(shown, _row(record)))
    shared.console.print(table if records else "Nobody has been given a role.")


@app.command()
def roles(context: typer.Context) -> None:
    """Explain the roles."""
    shared: Context = context.obj
    table = Table(title="Roles", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("role")
    table.add_column("may", overflow="fold")
    for role, actions in ROLES.items():
        table.add_row(role, "; ".join(MEANINGS[action] for action in Action if action in actions))
    shared.console.print(table)


@app.command(cls=DeploymentCommand)
def explain(
    context: typer.Context,
    holder: Annotated[str, typer.Argument(help="service:TENANT/NAME, or another principal.")],
    action: Annotated[Action, typer.Argument(help="What they want to do.")],
    project: Annotated[str, typer.Option(help="In which project.")] = "default",
    tenant: TenantOption = "default",
    json_output: AsJson = False,
    broker: AccessBroker = None,
    client_properties: ClientProperties = None,
) -> None:
    """Say whether somebody may do something, and by which rules. Exit code 1 where they may not."""
    shared: Context = context.obj
    with _store(context, broker, client_properties) as register:
        access = Access(holder, register.register(), SystemClock().now_ms())
    allowed, reasons = access.may(action, tenant, project), access.reasons(action, tenant, project)
    if json_output:
        listed = [{"allows": item.allows, "text": item.text, "project": item.where[1]} for item in reasons]
        shared.print_json({"allowed": allowed, "reasons": listed})
    else:
        style, word = ("green", "may") if allowed else ("red", "may not")
        shared.console.print(f"{shown(holder)} {word} {action} in {shown(tenant)}/{shown(project)}", style=style)
        for item in reasons:
            shared.console.print(f"  {shown(item.text)} ({_where(*item.where)})")
        if not reasons:
            shared.console.print("  no role of theirs reaches there")
    if not allowed:
        raise AnsweredNo


def _store(
    context: typer.Context, broker: str | None, client_properties: Path | None
) -> AbstractContextManager[AccessStore]:
    shared: Context = context.obj
    return access_store(shared, broker, client_properties)


@contextmanager
def _changed(context: typer.Context, broker: str | None, client_properties: Path | None) -> Iterator[AccessStore]:
    """A register that the block changes. Where a service keeps a trail, whoever reads it will look for the change."""
    with _store(context, broker, client_properties) as register:
        yield register
    shared: Context = context.obj
    if shared.audit is None and (broker is not None or (shared.state_dir / OF_SERVICE).is_dir()):
        _hint(
            context,
            "No audit trail has this change: that of a service has its own accesses alone. Name one with --audit or"
            " RUSHES_AUDIT; `rushes audit init` makes it.",
        )


def _say(context: typer.Context, text: str) -> None:
    shared: Context = context.obj
    shared.console.print(shown(text), soft_wrap=True)


def _hint(context: typer.Context, text: str) -> None:
    shared: Context = context.obj
    shared.errors.print(shown(text), soft_wrap=True)


def _no_key(context: typer.Context, key_id: str, broker: str | None) -> UsageProblem:
    return UsageProblem(
        f"there is no key {shown(key_id)} {register_place(context.obj, broker)}: `rushes access list` shows them"
    )


def _where(tenant: str, project: str | None) -> str:
    return f"in {shown(tenant)}/{shown(project)}" if project else f"in all projects of {shown(tenant)}"


def _checked(kind: Any, /, **values: Any) -> Any:
    """A record of what was typed. Raises `UsageProblem`."""
    from pydantic import ValidationError

    try:
        return kind(**values)
    except ValidationError as error:
        where = error.errors()[0]["loc"][0]
        raise UsageProblem(f"{where} {values[str(where)]!r}: letters, digits and . _ @ + -, at most 128") from None


def _reaches(register: AccessRegister, grant: Grant) -> bool:
    """Whether it is given to anybody: a team may have no members, or not be there."""
    group = register.get(f"team/{grant.tenant}/{grant.holder.removeprefix(_TEAM)}")
    return not grant.holder.startswith(_TEAM) or (isinstance(group, Team) and bool(group.members))


def _require_form(form: Any, text: str, what_to_do: str) -> None:
    """Raises `UsageProblem`: nobody has a role by a name that no caller has."""
    from pydantic import TypeAdapter, ValidationError

    try:
        TypeAdapter(form).validate_python(text)
    except ValidationError:
        raise UsageProblem(f"{shown(text)!r} is nobody who can be given a role: {what_to_do}") from None


def _row(record: Team | Grant | ApiKey) -> list[str]:
    match record:
        case Grant():
            return ["role", record.tenant, record.project or "*", record.holder, record.role, _until(record.until_ms)]
        case Team():
            return ["team", record.tenant, "", record.name, ", ".join(record.members) or "nobody", ""]
        case ApiKey():
            what = ", ".join(record.roles) if record.roles else "all that its program may"
            who = f"{record.key_id} of {service_account(record.tenant, record.owner)}"
            return ["key", record.tenant, record.project or "*", who, what, _until(record.until_ms)]


def _until(until_ms: int | None) -> str:
    from datetime import UTC, datetime

    return "" if until_ms is None else datetime.fromtimestamp(until_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _document(record: Team | Grant | ApiKey) -> dict[str, Any]:
    return record.model_dump(mode="json", exclude={"digest"})

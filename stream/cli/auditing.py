"""Which commands are accesses to footage or to what is known of it, and their way into the audit trail.

With `--audit` such a command first writes that it was admitted, and last how it ended. It does not run where that
cannot be written.
"""

import os
import pwd
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from stream.access.records import ApiKey, service_account
from stream.audit.checkpoint import SigningKey
from stream.audit.journal import Journal
from stream.audit.keys import read_key, secret_of
from stream.audit.ocsf import AccessSubject, Activity, Actor, ActorKind, Origin
from stream.audit.recorder import Recorder, code_of, query_digest
from stream.audit.rights import NO_RIGHTS, ChangedRights
from stream.audit.shared_journal import SharedJournal
from stream.cli.context import AnsweredNo, Context, UsageProblem
from stream.clock import SystemClock
from stream.service.changed_keys import changed_key

if TYPE_CHECKING:
    from stream.operators.render import AroundTask

_KEY = "rushes key"
Values = Mapping[str, Any]
"""The parameters of a command by name."""


@dataclass(frozen=True, slots=True)
class Audited:
    """`named`: parameters that say what it is about; they are kept as digests, as paths and uris are nobody's to read.
    `query`: parameters that are what is searched for. `plain`: parameters that are kept as they are. `rights`: what it
    changes of somebody's.
    """

    activity: Callable[[Values], Activity]
    named: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    rights: Callable[[Values], ChangedRights] = lambda _: NO_RIGHTS


def _always(activity: Activity) -> Callable[[Values], Activity]:
    return lambda _: activity


def _of_search(values: Values) -> Activity:
    if values.get("open_hit") is not None:
        return Activity.PLAYED
    if values.get("export") is not None or values.get("html") is not None or values.get("json_output"):
        return Activity.EXPORTED
    return Activity.SEARCHED


def _of_role(values: Values) -> ChangedRights:
    return ChangedRights(values["holder"], (str(values["role"]),), values.get("project"))


def _of_team(values: Values) -> ChangedRights:
    return ChangedRights(team=values["name"], members=tuple(values.get("member") or ()))


def _of_key(values: Values) -> ChangedRights:
    owner, roles = values.get("owner"), tuple(map(str, values.get("role") or ()))
    holder = None if owner is None else service_account(values["tenant"], owner)
    return ChangedRights(holder, roles, values.get("project"), key_id=values.get("key_id"))


AUDITED: Mapping[tuple[str, ...], Audited] = {
    ("search",): Audited(_of_search, query=("words", "image")),
    ("moments",): Audited(_always(Activity.VIEWED)),
    ("status",): Audited(_always(Activity.LISTED)),
    ("ingest",): Audited(_always(Activity.PUBLISHED), named=("uris",)),
    ("delete",): Audited(_always(Activity.DELETED), named=("assets",)),
    ("dead-letters", "list"): Audited(_always(Activity.LISTED)),
    ("dead-letters", "show"): Audited(_always(Activity.VIEWED), named=("letter_id",)),
    ("access", "give"): Audited(_always(Activity.ROLE_GIVEN), rights=_of_role),
    ("access", "take"): Audited(_always(Activity.ROLE_TAKEN), rights=_of_role),
    ("access", "team"): Audited(_always(Activity.TEAM_FILLED), rights=_of_team),
    ("access", "key"): Audited(_always(Activity.KEY_MADE), rights=_of_key),
    ("access", "narrow"): Audited(_always(Activity.KEY_NARROWED), rights=_of_key),
    ("access", "revoke"): Audited(_always(Activity.KEY_REVOKED), rights=_of_key),
    ("access", "list"): Audited(_always(Activity.LISTED)),
    ("access", "explain"): Audited(_always(Activity.VIEWED), plain=("holder", "action", "project")),
    ("access", "roles"): Audited(_always(Activity.LISTED)),
    ("tenants", "add"): Audited(_always(Activity.TENANT_ADDED), plain=("principal", "project", "region")),
    ("tenants", "remove"): Audited(_always(Activity.TENANT_REMOVED)),
    ("tenants", "list"): Audited(_always(Activity.LISTED)),
    ("tenants", "show"): Audited(_always(Activity.VIEWED)),
    ("dead-letters", "replay"): Audited(_always(Activity.REPLAYED), named=("letter_id",)),
    ("jobs", "check"): Audited(_always(Activity.VIEWED), named=("template",)),
    ("jobs", "submit"): Audited(_always(Activity.JOB_SUBMITTED), named=("template", "name", "deliver_to")),
    ("jobs", "clean"): Audited(
        _always(Activity.DELETED), plain=("older_than", "parts_older_than", "finals_older_than")
    ),
    ("jobs", "list"): Audited(_always(Activity.LISTED)),
    ("jobs", "fetch"): Audited(_always(Activity.DOWNLOADED), named=("job", "to")),
    **{("jobs", name): Audited(_always(Activity.VIEWED), named=("job",)) for name in ("show", "cost", "watch", "open")},
    ("jobs", "reproduce"): Audited(_always(Activity.VIEWED), named=("manifest_file",)),
    ("jobs", "release"): Audited(_always(Activity.JOB_STEERED), named=("job", "variant")),
    ("jobs", "tenant-budget"): Audited(_always(Activity.JOB_STEERED), plain=("cpu_s",)),
    ("rights",): Audited(_always(Activity.RIGHTS_CHANGED), plain=("processes", "principal")),
    ("jobs", "verify"): Audited(_always(Activity.VIEWED), named=("manifest_file",)),
    ("jobs", "manifest"): Audited(_always(Activity.VIEWED), named=("job", "variant")),
    **{
        ("jobs", name): Audited(_always(Activity.JOB_STEERED), named=("job",))
        for name in ("cancel", "pause", "resume", "retry", "deliver", "priority", "budget")
    },
}
"""By the words of the command. A test asks of each new command that it is here or among those that are not."""

UNAUDITED_GROUPS = frozenset({"audit", "weights", "samples", "spaces", "models", "stores", "kafka"})
UNAUDITED_COMMANDS = frozenset({("jobs", "run"), ("jobs", "key")})
UNAUDITED = frozenset(
    {"adopt", "autoscale", "compact", "control", "demo", "doctor", "exporter", "lag", "manifests", "progress"}
    | {"run", "serve", "service-work", "topology", "usage", "verify"}
)
"""They show or change no footage, captions, names or dead letters of a tenant, but how the deployment works."""


@contextmanager
def audited(path: tuple[str, ...], context: Context, values: Values, found: dict[str, Any]) -> Iterator[None]:
    """The block is one access, if the command is one and there is a trail. `found` is what the command notes."""
    rule = AUDITED.get(path)
    if rule is None or context.audit is None:
        yield
        return
    key = read_key(context.audit_key)
    subject = _subject(path, rule, key, values)
    # Processes of a command line are short and many: they take turns at one trail (ADR 0045).
    trail = SharedJournal(Journal(context.audit.path(), key))
    recorder = Recorder(trail, SystemClock(), version("rushes"), code_of=_code_of)
    no: AnsweredNo | None = None
    activity, who, here = rule.activity(values), operating_system_user(), Origin(hostname=_hostname())
    with recorder.access(activity, subject, who, here) as access:
        try:
            yield
        except AnsweredNo as answer:
            no = answer
        key_found: ApiKey | None = found.get(_KEY)
        if key_found is not None:
            access.tenant, access.rights = key_found.tenant, changed_key(key_found)
    if no is not None:
        raise no


def work_auditor(context: Context) -> "Callable[[], AroundTask] | None":
    """What writes into the trail what renderers make and deliver, each with a journal of its own; None without one."""
    if context.audit is None:
        return None
    from stream.operators.audited_work import AuditedWork

    key, place = read_key(context.audit_key), context.audit.path()
    who, here = operating_system_user(), Origin(hostname=_hostname())
    return lambda: (
        AuditedWork(SharedJournal(Journal(place, key)), SystemClock(), version("rushes"), actor=who, origin=here).on
    )


def note_key(context: typer.Context, key: ApiKey) -> None:
    """The trail says of which key this command is, which nobody knew before it ran."""
    context.meta[_KEY] = key


def operating_system_user() -> Actor:
    """Who runs this process, as the system says."""
    # Not from the environment, in which anybody can be named.
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # in a container
        name = str(uid)
    return Actor(f"os:{name}", ActorKind.SYSTEM if uid == 0 else ActorKind.PERSON)


def _code_of(error: BaseException) -> str:
    """As the command line reports it."""
    if isinstance(error, UsageProblem):
        return "usage"
    return "failed" if isinstance(error, typer.Exit) else code_of(error)


def _subject(path: tuple[str, ...], rule: Audited, key: SigningKey, values: Values) -> AccessSubject:
    tenant = values.get("tenant")
    secret = secret_of(key)

    def digests(names: tuple[str, ...]) -> list[str]:
        given = [values.get(name) for name in names]
        listed = [text for each in given for text in (each if isinstance(each, list) else [each]) if text is not None]
        return [query_digest(secret, tenant, _text(each)) for each in listed]

    query = digests(rule.query)
    plain = [text for name in rule.plain for text in _texts(values.get(name))]
    named = (*digests(rule.named), *plain)
    return AccessSubject(" ".join(path), tenant, named, query[0] if query else None, rule.rights(values))


def _texts(value: object) -> list[str]:
    return [str(each) for each in (value if isinstance(value, list) else [value]) if each is not None]


def _text(value: object) -> str:
    # A path may hold bytes that are no UTF-8, which a digest could not take as text.
    return os.fsencode(value).decode("utf-8", "replace") if isinstance(value, Path) else str(value)


def _hostname() -> str:
    return socket.gethostname()

"""Audit events as OCSF 1.8 has them (schema.ocsf.io), from who did what to which footage (pure).

They hold metadata alone: ids, numbers and codes, never words of a query, captions, addresses of footage or credentials.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any

from stream.audit.rights import ENTITIES, GROUPS, NO_RIGHTS, USER_ACCESS, ChangedRights

VERSION = "1.8.0"
_DATASTORE, _FILE_HOSTING, _API, _AUTHENTICATION = 6005, 6006, 6003, 3002
_IDENTITY, _OTHER = 3, 99
_REGULAR_FILE, _TABLE, _VECTOR = 1, 3, 7


class Activity(Enum):
    """What somebody does: an OCSF class and its activity, and the name by which people read it."""

    SEARCHED = (_DATASTORE, 4, "searched")
    VIEWED = (_DATASTORE, 1, "viewed")
    LISTED = (_DATASTORE, 8, "listed")
    SAVED = (_DATASTORE, 5, "saved")
    REMOVED = (_DATASTORE, 7, "removed")
    PREVIEWED = (_FILE_HOSTING, 9, "previewed")
    PLAYED = (_FILE_HOSTING, 14, "played")
    DOWNLOADED = (_FILE_HOSTING, 2, "downloaded")
    UPLOADED = (_FILE_HOSTING, 1, "uploaded")
    EXPORTED = (_API, 2, "exported")
    PUBLISHED = (_API, 1, "published")
    REPLAYED = (_API, 3, "replayed")
    JOB_SUBMITTED = (_API, 1, "submitted a job")
    JOB_STEERED = (_API, 3, "steered a job")
    JOB_RENDERED = (_API, 1, "rendered")
    JOB_DELIVERED = (_API, 2, "delivered finals")
    DELETED = (_API, 4, "deleted")
    ROLE_GIVEN = (USER_ACCESS, 1, "gave a role")
    ROLE_TAKEN = (USER_ACCESS, 2, "took a role")
    TEAM_FILLED = (GROUPS, 99, "filled a team")
    TEAM_REMOVED = (GROUPS, 5, "removed a team")
    KEY_MADE = (ENTITIES, 1, "made a key")
    KEY_NARROWED = (ENTITIES, 3, "narrowed a key")
    KEY_REVOKED = (ENTITIES, 4, "revoked a key")
    # Of a broker, which has users of its own.
    RIGHTS_CHANGED = (_API, 3, "changed rights")
    TENANT_ADDED = (_API, 1, "added a tenant")
    TENANT_REMOVED = (_API, 4, "removed a tenant")
    SIGNED_IN = (_AUTHENTICATION, 1, "signed in")
    SIGNED_OUT = (_AUTHENTICATION, 2, "signed out")
    FORGED = (_AUTHENTICATION, 99, "sent by another site")

    def __init__(self, class_uid: int, activity_id: int, label: str) -> None:
        self.class_uid = class_uid
        self.activity_id = activity_id
        self.label = label

    @property
    def category(self) -> int:
        return self.class_uid // 1_000

    @property
    def type_uid(self) -> int:
        return self.class_uid * 100 + self.activity_id


_LASTING = frozenset({Activity.DELETED, Activity.RIGHTS_CHANGED, Activity.TENANT_ADDED, Activity.TENANT_REMOVED})


class AccessStatus(Enum):
    """Of one event. An access that is let in has two: that it was, before anything is read, and what came of it."""

    # 99 is OCSF's `Other`: it has no status for what has not ended yet.
    ADMITTED = (99, "Admitted")
    SUCCEEDED = (1, "Success")
    FAILED = (2, "Failure")
    DENIED = (2, "Denied")

    def __init__(self, status_id: int, label: str) -> None:
        self.status_id = status_id
        self.label = label


class Severity(IntEnum):
    """OCSF's, as far as an access can have it."""

    INFORMATIONAL = 1
    LOW = 2
    MEDIUM = 3


class ActorKind(IntEnum):
    """OCSF's numbers for kinds of users."""

    UNKNOWN = 0
    PERSON = 1
    ADMINISTRATOR = 2
    SYSTEM = 3
    SERVICE = 4


@dataclass(frozen=True, slots=True)
class Actor:
    """Who. `uid` is stable; `session` is that of a sign-in, where there was one."""

    uid: str
    kind: ActorKind
    session: str | None = None

    def as_ocsf(self) -> dict[str, Any]:
        actor: dict[str, Any] = {"user": {"uid": self.uid, "type_id": self.kind.value}, "app_name": "rushes"}
        return actor | ({"session": {"uid": self.session}} if self.session else {})


@dataclass(frozen=True, slots=True)
class Origin:
    """From where: a host by name or by address."""

    hostname: str | None = None
    ip: str | None = None

    def as_ocsf(self) -> dict[str, Any]:
        known = {"hostname": self.hostname, "ip": self.ip}
        # OCSF wants at least one attribute of an endpoint.
        return {key: value for key, value in known.items() if value} or {"name": "unknown"}


@dataclass(frozen=True, slots=True)
class AccessSubject:
    """What it is about. `tenant`: whose, if one's. `resources`: ids of assets, moments or tables. `query`: a keyed
    digest of what was asked. `rights`: those that it changes.
    """

    operation: str
    tenant: str | None = None
    resources: tuple[str, ...] = ()
    query: str | None = None
    rights: ChangedRights = NO_RIGHTS


@dataclass(frozen=True, slots=True)
class AccessOutcome:
    """How it ended. `code`: of an error of ours. `count`: of what was given out."""

    status: AccessStatus
    code: str | None = None
    count: int | None = None
    duration_ms: int | None = None


ADMITTED = AccessOutcome(AccessStatus.ADMITTED)


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event. `correlation`: the `uid` of the admission."""

    activity: Activity
    subject: AccessSubject
    actor: Actor
    origin: Origin
    outcome: AccessOutcome
    uid: str
    time_ms: int
    correlation: str

    def as_ocsf(self, product_version: str) -> dict[str, Any]:
        """An event that the schema of its class accepts."""
        denied = self.outcome.status is AccessStatus.DENIED
        product = {"name": "rushes", "uid": "rushes", "version": product_version}
        event: dict[str, Any] = {
            "category_uid": self.activity.category,
            "class_uid": self.activity.class_uid,
            "activity_id": self.activity.activity_id,
            "type_uid": self.activity.type_uid,
            "severity_id": self._severity.value,
            "severity": self._severity.name.capitalize(),
            "time": self.time_ms,
            "metadata": {
                "version": VERSION,
                "product": product,
                "uid": self.uid,
                "correlation_uid": self.correlation,
                "log_name": "audit",
                **({"tenant_uid": self.subject.tenant} if self.subject.tenant else {}),
                # OCSF has `action` and `disposition` in this profile alone.
                **({"profiles": ["security_control"]} if denied else {}),
            },
            "actor": self.actor.as_ocsf(),
            "src_endpoint": self.origin.as_ocsf(),
            "status_id": self.outcome.status.status_id,
            "status": self.outcome.status.label,
            "message": f"{self.subject.operation}: {self.activity.label}",
            **self._subject(),
        }
        if denied:
            event |= {"action_id": 2, "action": "Denied", "disposition_id": 2, "disposition": "Blocked"}
        if self.outcome.code is not None:
            event["status_code"] = self.outcome.code
        if self.outcome.count is not None:
            event["count"] = self.outcome.count
        if self.outcome.duration_ms is not None:
            event["duration"] = self.outcome.duration_ms
        if self.activity.activity_id == _OTHER:
            event["activity_name"] = self.activity.label
        unmapped = self._resources() | self.subject.rights.unmapped(self.activity.class_uid)
        return event | ({"unmapped": unmapped} if unmapped else {})

    @property
    def _severity(self) -> Severity:
        if self.activity is Activity.FORGED:
            return Severity.MEDIUM
        changes = self.activity.category == _IDENTITY and self.activity.class_uid != _AUTHENTICATION
        denied = self.outcome.status is AccessStatus.DENIED
        return Severity.LOW if denied or changes or self.activity in _LASTING else Severity.INFORMATIONAL

    def _subject(self) -> dict[str, Any]:
        subject = self.subject
        match self.activity.class_uid:
            case 6005:
                digest = subject.query
                # OCSF requires `query_string`: the digest stands where the words would.
                query = {"query_info": {"uid": digest, "query_string": f"hmac-sha256:{digest}"}} if digest else {}
                return {
                    "type_id": _TABLE,
                    "database": {"name": "moments", "type_id": _VECTOR},
                    "table": {"name": subject.operation},
                    **query,
                }
            case 6006:
                name = subject.resources[0] if subject.resources else subject.operation
                return {"file": {"name": name, "uid": name, "type_id": _REGULAR_FILE}}
            case 3002:
                user = self.actor.as_ocsf()
                # OCSF's `user` is whose authentication it is; here nobody signs in for another.
                return {"service": {"name": "rushes"}} | {key: user[key] for key in ("user", "session") if key in user}
            case 3004 | 3005 | 3006:
                return subject.rights.as_ocsf(self.activity.class_uid)
            case _:
                named = [{"uid": uid, "type": "asset"} for uid in subject.resources]
                return {"api": {"operation": subject.operation}, **({"resources": named} if named else {})}

    def _resources(self) -> dict[str, Any]:
        """Only the class of API activities has room for many."""
        if self.activity.class_uid == _API or not self.subject.resources:
            return {}
        return {"resources": list(self.subject.resources)}

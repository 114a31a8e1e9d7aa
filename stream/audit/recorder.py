"""Accesses into a trail: that one was let in before anything is read, and what came of it afterwards."""

import hmac
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol
from uuid import uuid4

from stream.audit.names import in_events
from stream.audit.ocsf import ADMITTED, AccessOutcome, AccessStatus, AccessSubject, Activity, Actor, AuditEvent, Origin
from stream.audit.rights import ChangedRights
from stream.clock import Clock
from stream.errors import StageError

_INTERRUPTED, _DEFECT = "interrupted", "unexpected_error"
_FORBIDDEN, _ABSENT = "forbidden", "no_such_thing"


@dataclass(slots=True)
class AuditedAccess:
    """One that was let in. `uid`: of its admission. `count`: of what it gives out, as far as it is known when it ends;
    `resources`: ids of what that was, `tenant` whose, and `rights` that were changed, where the admission could not
    know them yet. `outside`: where it asks for something of a tenant of whom the actor may see nothing, so that not to
    find it is a denial.
    """

    uid: str
    count: int | None = None
    resources: tuple[str, ...] = ()
    tenant: str | None = None
    rights: ChangedRights | None = None
    outside: bool = False


class Trail(Protocol):
    """Where events go."""

    def append(self, event: Mapping[str, Any]) -> object:
        """Returns once the event is on disk. Raises `Unavailable` (`audit_unavailable`)."""


def code_of(error: BaseException) -> str:
    """The code of an outcome: never a text, which may hold what was asked for."""
    if isinstance(error, StageError):
        return error.code
    return _DEFECT if isinstance(error, Exception) else _INTERRUPTED


class Recorder:
    """As thread-safe as its trail. `new_uid`: ids that are never made again. `code_of`: what ended an access.
    What names more than an event has room for is told in several, which have one correlation.
    """

    def __init__(
        self,
        trail: Trail,
        clock: Clock,
        version: str,
        *,
        new_uid: Callable[[], str] = lambda: str(uuid4()),
        code_of: Callable[[BaseException], str] = code_of,
    ) -> None:
        self._code_of = code_of
        self._trail = trail
        self._clock = clock
        self._version = version
        self._new_uid = new_uid

    @contextmanager
    def access(
        self, activity: Activity, subject: AccessSubject, actor: Actor, origin: Origin
    ) -> Iterator[AuditedAccess]:
        """The block runs once its admission is on disk. Raises `Unavailable` (`audit_unavailable`) before the block
        where that fails, and after it where the outcome cannot be written: then the answer is not given.
        """
        admission = self._new_uid()
        # Before the block: a kill within it leaves an admission without an outcome, which can be seen.
        self._write(activity, subject, actor, origin, ADMITTED, admission, admission)
        began_s = self._clock.monotonic_s()
        access, code = AuditedAccess(admission), None
        try:
            yield access
        # Also where it is no `Exception`: an interrupted access may have given something out.
        except BaseException as error:
            code = self._code_of(error)
            raise
        finally:
            status = _status(code, outside=access.outside)
            took_ms = round((self._clock.monotonic_s() - began_s) * 1000)
            outcome = AccessOutcome(status, code, access.count, took_ms)
            if access.resources:
                subject = replace(subject, resources=access.resources)
            if access.tenant is not None:
                subject = replace(subject, tenant=access.tenant)
            if access.rights is not None:
                subject = replace(subject, rights=access.rights)
            self._write(activity, subject, actor, origin, outcome, self._new_uid(), admission)

    def denied(self, activity: Activity, subject: AccessSubject, actor: Actor, origin: Origin, code: str) -> str:
        """The `uid` of one that was not let in. Raises `Unavailable` (`audit_unavailable`)."""
        # It correlates with itself, as there is no admission.
        uid = self._new_uid()
        self._write(activity, subject, actor, origin, AccessOutcome(AccessStatus.DENIED, code), uid, uid)
        return uid

    def _write(
        self,
        activity: Activity,
        subject: AccessSubject,
        actor: Actor,
        origin: Origin,
        outcome: AccessOutcome,
        uid: str,
        correlation: str,
    ) -> None:
        for each in in_events(subject):
            event = AuditEvent(activity, each, actor, origin, outcome, uid, self._clock.now_ms(), correlation)
            self._trail.append(event.as_ocsf(self._version))
            # Said once, so that who adds up what was given out does not count it twice.
            uid, outcome = self._new_uid(), replace(outcome, count=None)


def _status(trouble: str | None, *, outside: bool) -> AccessStatus:
    if trouble is None:
        return AccessStatus.SUCCEEDED
    # Rights to one thing are known only when it was looked at, which is after the admission.
    denied = trouble == _FORBIDDEN or (outside and trouble == _ABSENT)
    return AccessStatus.DENIED if denied else AccessStatus.FAILED


def asset_name(secret: bytes, tenant: str, asset_id: str) -> str:
    """As the trail names an asset: its id, or a digest as that of a query where the id may be a path or a uri, as it is
    where a producer gave none.
    """
    return query_digest(secret, tenant, asset_id) if "/" in asset_id or "\\" in asset_id else asset_id


def query_digest(secret: bytes, tenant: str | None, text: str) -> str:
    """HMAC-SHA-256 in hexadecimal, with a key of the tenant's own: short queries cannot be guessed, and the same query
    of two tenants does not look the same. Case and blanks do not count.
    """
    key = hmac.digest(secret, b"query digests of " + (tenant or "").encode(), "sha256")
    return hmac.digest(key, " ".join(text.casefold().split()).encode(), "sha256").hex()

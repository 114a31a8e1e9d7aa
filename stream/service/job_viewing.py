"""Jobs, each as one audited access with the caller's rights: what the API answers as JSON and the page shows."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity
from stream.audit.recorder import AuditedAccess
from stream.events.jobs import JOB_NAME
from stream.jobs.manifest import Final, opened, published_of, shown_of
from stream.jobs.states import VariantState
from stream.service.caller import Caller
from stream.service.problems import Problem, absent
from stream.service.result_lists import cursor_to, place_of
from stream.service.schemas.jobs import JobOut, JobsOut, JobVariantOut, JobVariantsOut, TenantBudgetOut
from stream.service.service import Service

_JOB_NAME, _VARIANT_ID = re.compile(JOB_NAME), re.compile("[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class AskedPage:
    """A part of a list: so many after a cursor, in one state or in all."""

    limit: int
    state: str | None = None
    cursor: str | None = None


def listed_jobs(service: Service, request: Request, tenant: str, asked: AskedPage) -> JobsOut:
    """A tenant's jobs of the projects that the caller may see, the newest first. Raises `Problem`."""
    with service.access(request, Action.SEARCH, Activity.LISTED, AccessSubject("jobs", tenant)) as (caller, access):
        after = _after(service, ("jobs", tenant), asked.cursor)
        scopes = caller.access.scopes(Action.SEARCH)
        # Before anything is read: how long it takes must not tell of a tenant that is not theirs.
        theirs = scopes is None or tenant in {name for name, _ in scopes}
        found = [
            job
            for job in (service.job_store.jobs(tenant) if theirs else ())
            if caller.access.may(Action.SEARCH, tenant, job["project"])
            and asked.state in (None, job["state"])
            and (after is None or (-job["submitted_ms"], job["job"]) > (-after[0], after[1]))
        ]
        shown, more = found[: asked.limit], len(found) > asked.limit
        access.count = len(shown)
        last = shown[-1] if more else None
        cursor = last and _cursor(service, ("jobs", tenant), last["job"], last["submitted_ms"])
        # It tells of all projects, so who sees some of them does not see it.
        whole = scopes is None or (tenant, None) in scopes
        told = service.job_store.budget(tenant) if whole else None
        budget = None if told is None else TenantBudgetOut.model_validate(told)
        now_ms = service.callers.now_ms()
        return JobsOut(jobs=[JobOut.of(job, now_ms) for job in shown], next=cursor, budget=budget)


def viewed_job(service: Service, request: Request, tenant: str, job: str) -> JobOut:
    """The state of a job. Raises `Problem`."""
    with _reached(service, request, (Action.SEARCH, Activity.VIEWED, "job"), tenant, job) as (status, _):
        return JobOut.of(status, service.callers.now_ms())


def listed_variants(service: Service, request: Request, tenant: str, job: str, asked: AskedPage) -> JobVariantsOut:
    """A job's variants by their numbers, with what finished ones gave. Raises `Problem`."""
    with _reached(service, request, (Action.SEARCH, Activity.LISTED, "job variants"), tenant, job) as (_, access):
        after = _after(service, ("variants", tenant, job), asked.cursor)
        found = [
            row
            for row in service.job_store.variants(tenant, job)
            if asked.state in (None, row["state"]) and (after is None or row["number"] > after[0])
        ]
        shown, more = found[: asked.limit], len(found) > asked.limit
        access.count = len(shown)
        return JobVariantsOut(
            variants=[JobVariantOut.of(tenant, job, row, _finals(service, tenant, job, row)) for row in shown],
            next=_cursor(service, ("variants", tenant, job), "", shown[-1]["number"]) if more else None,
        )


def viewed_manifest(service: Service, request: Request, tenant: str, job: str, variant: str) -> bytes:
    """The signed envelope of a finished variant. Raises `Problem`."""
    asked = (Action.SEARCH, Activity.VIEWED, "job manifest")
    with _reached(service, request, asked, tenant, job, variant) as (_, access):
        envelope = _envelope(service, tenant, job, variant)
        if envelope is None:
            raise absent()
        access.count = 1
        return envelope


def previewed_variant(service: Service, request: Request, tenant: str, job: str, variant: str) -> tuple[bytes, Final]:
    """A small picture of a finished variant, as JPEG, and the final that it shows. Raises `Problem`."""
    asked = (Action.SEARCH, Activity.PREVIEWED, "job poster")
    with _reached(service, request, asked, tenant, job, variant) as (_, access):
        envelope = _envelope(service, tenant, job, variant)
        finals = () if envelope is None else published_of(opened(envelope))
        shown = shown_of(finals)
        picture = None if shown is None else service.job_store.poster(tenant, shown)
        if shown is None or picture is None:
            raise absent()
        access.count = 1
        return picture, shown


@contextmanager
def downloaded_final(
    service: Service, request: Request, tenant: str, job: str, variant: str, name: tuple[str, str]
) -> Iterator[tuple[Final, AuditedAccess]]:
    """The final with this stage and file name, for who may play footage of the project. Raises `Problem`."""
    asked = (Action.PLAY, Activity.DOWNLOADED, "job final")
    with _reached(service, request, asked, tenant, job, variant) as (_, access):
        envelope = _envelope(service, tenant, job, variant)
        finals = () if envelope is None else published_of(opened(envelope))
        found = next((final for final in finals if (final.stage, final.name) == name), None)
        if found is None:
            raise absent()
        yield found, access


def tenants_with_jobs(service: Service, caller: Caller) -> list[str]:
    """The tenants whose jobs the caller may see."""
    scopes = caller.access.scopes(Action.SEARCH)
    # Who may see everything learns of tenants from what there is.
    return service.job_store.tenants() if scopes is None else sorted({tenant for tenant, _ in scopes})


@contextmanager
def _reached(
    service: Service, request: Request, asked: tuple[Action, Activity, str], tenant: str, job: str, *rest: str
) -> Iterator[tuple[dict[str, Any], AuditedAccess]]:
    """An access to a job where the caller may do that; one of others looks like one that never was."""
    action, activity, operation = asked
    subject = AccessSubject(operation, tenant, (service.asset_name(tenant, job), *rest))
    with service.access(request, action, activity, subject) as (caller, access):
        # What no job can be called names no document either.
        status = service.job_store.status(tenant, job) if _JOB_NAME.fullmatch(job) else None
        if status is None or not caller.access.may(action, tenant, status["project"]):
            raise absent()
        yield status, access


def _envelope(service: Service, tenant: str, job: str, variant: str) -> bytes | None:
    """None where there is no such variant, or it is not finished."""
    return service.job_store.manifest(tenant, job, variant) if _VARIANT_ID.fullmatch(variant) else None


def _finals(service: Service, tenant: str, job: str, row: dict[str, Any]) -> tuple[Final, ...]:
    if row["state"] != VariantState.DONE:
        return ()
    envelope = service.job_store.manifest(tenant, job, row["id"])
    return () if envelope is None else published_of(opened(envelope))


def _cursor(service: Service, of: tuple[str, ...], after: str, number: int) -> str:
    """To what comes after a place in the list `of`."""
    return cursor_to(service.callers.pepper(), json.dumps([*of, after]), number)


def _after(service: Service, of: tuple[str, ...], cursor: str | None) -> tuple[int, str] | None:
    """Raises `Problem` (`bad_cursor`), also for one into another list."""
    if cursor is None:
        return None
    key, number = place_of(service.callers.pepper(), cursor)
    # Cursors of searches are signed alike; their keys are no lists.
    *named, after = json.loads(key) if key.startswith("[") else [None]
    if tuple(named) != of:
        raise Problem(400, "The cursor leads into another list.", code="bad_cursor")
    return number, str(after)

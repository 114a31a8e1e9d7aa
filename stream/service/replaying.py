"""Dead letters that are processed again, each request as one audited access."""

from dataclasses import replace

from fastapi import Request

from sinks.dead_letters import DeadLetterFilter, DeadLetterState
from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity
from stream.service.problems import Problem, absent
from stream.service.schemas.dead_letters import ReplayIn, ReplayOut
from stream.service.service import Service
from stream.service.viewing import whole_tenants
from stream.sessions.background import BackgroundWork

MOST_AT_ONCE = 1_000
_OPERATION = "dead letters replay"


def replayed_letter(service: Service, request: Request, letter_id: str) -> ReplayOut:
    """One dead letter by its whole id, parked or not. Raises `Problem`: also for another tenant's, which looks like one
    that never was.
    """
    subject = AccessSubject(_OPERATION, resources=(letter_id,))
    with service.access(request, Action.REPLAY, Activity.REPLAYED, subject) as (caller, access):
        wanted = DeadLetterFilter(letter_id=letter_id, states=tuple(DeadLetterState), tenants=whole_tenants(caller))
        with service.searchers.one() as application:
            found = application.dead_letters(wanted, 1)
        if not found:
            raise absent()
        # What its record led to is in a letter of its own.
        if found[0].state is DeadLetterState.REPLAYED:
            raise Problem(409, "The dead letter was replayed already.", code="already_replayed")
        _background(service).replay([letter_id])
        access.count = 1
        return ReplayOut(letter_ids=[letter_id], complete=True)


def replayed_selection(service: Service, request: Request, chosen: ReplayIn | None) -> ReplayOut:
    """The oldest of those that `chosen` names, which is None for who may not send one. Raises `Problem`."""
    subject = AccessSubject(_OPERATION, None if chosen is None else chosen.tenant)
    with service.access(request, Action.REPLAY, Activity.REPLAYED, subject) as (caller, access):
        assert chosen is not None
        wanted = replace(chosen.wanted(), tenants=whole_tenants(caller))
        with service.searchers.one() as application:
            # One more than is sent tells whether there are more.
            found = application.dead_letters(wanted, MOST_AT_ONCE + 1, oldest=True)
        names = [item.dead_letter.letter_id for item in found[:MOST_AT_ONCE]]
        background = _background(service)
        # Before they are sent: also where only some of them could be.
        access.count, access.resources = len(names), tuple(names)
        background.replay(names)
        return ReplayOut(letter_ids=names, complete=len(found) <= MOST_AT_ONCE)


def _background(service: Service) -> BackgroundWork:
    if service.background is None:
        raise Problem(501, "This service has nobody to process records.", code="no_workers")
    return service.background

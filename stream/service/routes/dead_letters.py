"""Records that could not be processed, for who may process them again."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request

from sinks.dead_letters import DeadLetterFilter, DeadLetterState
from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity
from stream.service.bodies import documented, json_body
from stream.service.problems import absent
from stream.service.replaying import replayed_letter, replayed_selection
from stream.service.routes.assets import Name
from stream.service.schemas.dead_letters import DeadLetterOut, DeadLettersOut, ReplayIn, ReplayOut
from stream.service.schemas.problems import ProblemOut
from stream.service.service import Service
from stream.service.viewing import listed_dead_letters, whole_tenants

_Time = Annotated[int | None, Query(ge=0, description="In milliseconds since 1970.")]
_Letter = Annotated[str, Path(max_length=200)]
_EVERY_STATE = tuple(DeadLetterState)


def add(routes: APIRouter, service: Service) -> None:
    _add_reading(routes, service)
    _add_replays(routes, service)


def _add_reading(routes: APIRouter, service: Service) -> None:
    @routes.get("/dead-letters")
    def dead_letters(
        request: Request,
        tenant: Name = None,
        stage: Name = None,
        code: Name = None,
        since_ms: _Time = None,
        until_ms: _Time = None,
        state: DeadLetterState = DeadLetterState.OPEN,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> DeadLettersOut:
        """Dead letters by when they failed, without their content. They do not say their project, so they are shown to
        operators of the whole tenant.
        """
        wanted = DeadLetterFilter(
            stage=stage, code=code, tenant=tenant, since_ms=since_ms, until_ms=until_ms, states=(state,)
        )
        return listed_dead_letters(service, request, wanted, limit)

    @routes.get("/dead-letters/{letter_id}", responses={404: {"model": ProblemOut}})
    def dead_letter(request: Request, letter_id: _Letter) -> DeadLetterOut:
        """One dead letter by its whole id, and what to do about it."""
        subject = AccessSubject("dead letter", resources=(letter_id,))
        with service.access(request, Action.REPLAY, Activity.VIEWED, subject) as (caller, _):
            wanted = DeadLetterFilter(letter_id=letter_id, states=_EVERY_STATE, tenants=whole_tenants(caller))
            with service.searchers.one() as application:
                found = application.dead_letters(wanted, 1)
            if not found:
                raise absent()
            return DeadLetterOut.of(found[0], service.replaying())


def _add_replays(routes: APIRouter, service: Service) -> None:
    refused: dict[int | str, dict[str, Any]] = {code: {"model": ProblemOut} for code in (404, 409, 501)}

    @routes.post("/dead-letters/{letter_id}/replay", status_code=202, responses=refused)
    def replay_one(request: Request, letter_id: _Letter) -> ReplayOut:
        """Process the record of one dead letter again, also of a parked one. One that fails again has a new dead
        letter, which counts the replays.
        """
        return replayed_letter(service, request, letter_id)

    @routes.post(
        "/dead-letters/replay",
        status_code=202,
        responses={501: {"model": ProblemOut}},
        openapi_extra=documented(ReplayIn),
    )
    def replay(
        request: Request, chosen: Annotated[ReplayIn | None, Depends(json_body(service, ReplayIn))]
    ) -> ReplayOut:
        """Process dead letters again, the oldest first, at most a thousand at once. Parked ones are left out unless
        they are asked for.
        """
        return replayed_selection(service, request, chosen)

"""Records that could not be processed, for who may process them again."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from sinks.dead_letters import DeadLetterFilter, DeadLetterState
from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity
from stream.service.problems import absent
from stream.service.routes.assets import Name
from stream.service.schemas.dead_letters import DeadLetterOut, DeadLettersOut
from stream.service.schemas.problems import ProblemOut
from stream.service.service import Service
from stream.service.viewing import listed_dead_letters, whole_tenants

_Time = Annotated[int | None, Query(ge=0, description="In milliseconds since 1970.")]
_EVERY_STATE = tuple(DeadLetterState)


def add(routes: APIRouter, service: Service) -> None:
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
        operators of the whole tenant. `rushes dead-letters replay` sends them again.
        """
        wanted = DeadLetterFilter(
            stage=stage, code=code, tenant=tenant, since_ms=since_ms, until_ms=until_ms, states=(state,)
        )
        return listed_dead_letters(service, request, wanted, limit)

    @routes.get("/dead-letters/{letter_id}", responses={404: {"model": ProblemOut}})
    def dead_letter(request: Request, letter_id: Annotated[str, Path(max_length=200)]) -> DeadLetterOut:
        """One dead letter by its whole id, and what to do about it."""
        subject = AccessSubject("dead letter", resources=(letter_id,))
        with service.access(request, Action.REPLAY, Activity.VIEWED, subject) as (caller, _):
            wanted = DeadLetterFilter(letter_id=letter_id, states=_EVERY_STATE, tenants=whole_tenants(caller))
            with service.searchers.one() as application:
                found = application.dead_letters(wanted, 1)
            if not found:
                raise absent()
            return DeadLetterOut.of(found[0])

"""Who the caller is and what they may do."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from stream.access.actions import Action
from stream.service.schemas.rights import DecisionOut, MeOut, ReasonOut, ScopeOut
from stream.service.searching import listed
from stream.service.service import Service


def add(routes: APIRouter, service: Service) -> None:
    @routes.get("/me")
    def me(request: Request) -> MeOut:
        """Who the caller is, and where they may do what."""
        access = service.callers.of(request.headers).access
        actions = {
            action.value: [ScopeOut(tenant=tenant, project=name) for tenant, name in listed(scopes)]
            for action in Action
            if (scopes := access.scopes(action)) is not None
        }
        return MeOut(principal=access.principal, everywhere=access.everything, actions=actions)

    @routes.get("/me/decision")
    def decision(
        request: Request,
        action: Action,
        tenant: Annotated[str, Query(min_length=1, max_length=200)],
        project: Annotated[str, Query(min_length=1, max_length=200)],
    ) -> DecisionOut:
        """Why the caller may do something in a project, or may not. It tells nothing of whether the project exists."""
        access = service.callers.of(request.headers).access
        reasons = [ReasonOut.of(reason) for reason in access.reasons(action, tenant, project)]
        return DecisionOut(allowed=access.may(action, tenant, project), reasons=reasons)

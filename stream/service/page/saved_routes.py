"""Saving a search of the page under a name, and forgetting it, by forms that need no script."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from stream.service.forms import own_form
from stream.service.kept_searches import forget_search, keep_search
from stream.service.page.saved_view import saved_state
from stream.service.page.state import SearchState
from stream.service.problems import Problem
from stream.service.schemas.saved_searches import SavedSearchIn
from stream.service.service import Service

_MOST_NAME = 200


def add_saved_searches(routes: APIRouter, service: Service) -> None:
    form = Depends(own_form(service))

    @routes.post("/saved-searches")
    def save(request: Request, fields: Annotated[dict[str, str], form]) -> Response:
        """Saves the state that the form holds, and leads back to it."""
        state = SearchState.of(fields)
        keep_search(service, request, _name(fields), _search(state))
        address = state.url()
        # 303: a reload sends no form again.
        return RedirectResponse(f"{address}{'&' if '?' in address else '?'}{urlencode({'saved': 'true'})}", 303)

    @routes.post("/saved-searches/forget")
    def forget(request: Request, fields: Annotated[dict[str, str], form]) -> Response:
        """Forgets one, and leads back to the list."""
        forget_search(service, request, _name(fields))
        return RedirectResponse("/", 303)


def _name(fields: dict[str, str]) -> str:
    """Raises `Problem`."""
    name = fields.get("name", "").strip()
    if not 0 < len(name) <= _MOST_NAME:
        raise Problem(400, f"A saved search has a name of at most {_MOST_NAME} characters.", code="invalid_request")
    return name


def _search(state: SearchState) -> SavedSearchIn:
    """Raises `Problem` (`bad_filter`)."""
    try:
        return SavedSearchIn.model_validate(saved_state(state))
    except ValidationError:
        raise Problem(400, "This search cannot be saved as it stands.", code="bad_filter") from None

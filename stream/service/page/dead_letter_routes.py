"""Dead letters, with what to do about each, and their replay by a form that needs no script."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from sinks.dead_letters import DeadLetterFilter, DeadLetterState
from stream.events.ids import clip_name
from stream.service.forms import own_form
from stream.service.page.asset_view import asset_url
from stream.service.page.freshness_view import utc
from stream.service.page.pages import Pages
from stream.service.replaying import replayed_letter
from stream.service.service import Service
from stream.service.viewing import listed_dead_letters

_MOST_LETTERS = 500


def add_dead_letters(routes: APIRouter, service: Service, pages: Pages) -> None:
    @routes.get("/dead-letters")
    def dead_letters(request: Request, state: DeadLetterState = DeadLetterState.OPEN, done: bool = False) -> Response:
        """Dead letters in one state, with what to do about each. `done`: one of them has just been sent again."""
        caller = service.callers.of(request.headers)
        found = listed_dead_letters(service, request, DeadLetterFilter(states=(state,)), _MOST_LETTERS)
        shown: dict[str, Any] = {
            "asset_url": asset_url,
            "clip_name": clip_name,
            "utc": utc,
            "states": [item.value for item in DeadLetterState],
            "workers": service.background is not None,
            "done": done,
        }
        return pages.page("dead_letters", request, caller, found=found, chosen=state.value, **shown)

    @routes.post("/dead-letters/replay")
    def replay(request: Request, fields: Annotated[dict[str, str], Depends(own_form(service))]) -> Response:
        """Sends the record of one letter again."""
        replayed_letter(service, request, fields.get("letter_id", ""))
        # 303: a reload sends no form again.
        shown = {"state": fields.get("state", "open"), "done": "true"}
        return RedirectResponse(f"/dead-letters?{urlencode(shown)}", 303)

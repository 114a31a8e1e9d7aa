"""Searches that a caller keeps under a name, each look and change one audited access: for the API and the page."""

from fastapi import Request

from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity
from stream.service.problems import absent
from stream.service.schemas.saved_searches import SavedSearchesOut, SavedSearchIn
from stream.service.service import Service

# Names are words of people, as queries are: the trail says that one was saved, and not which.
_ONE = AccessSubject("saved search")


def own_searches(service: Service, request: Request) -> SavedSearchesOut:
    """The caller's, by name. Raises `Problem`."""
    subject = AccessSubject("saved searches")
    with service.access(request, Action.SEARCH, Activity.LISTED, subject) as (caller, access):
        mine = service.saved.of(caller.access.principal)
        access.count = len(mine)
        return SavedSearchesOut.of(mine)


def keep_search(service: Service, request: Request, name: str, search: SavedSearchIn) -> None:
    """In place of one with the same name. Raises `Problem`."""
    with service.access(request, Action.SEARCH, Activity.SAVED, _ONE) as (caller, _):
        kept = search.model_dump(mode="json", by_alias=True, exclude_unset=True)
        service.saved.put(caller.access.principal, name, kept)


def forget_search(service: Service, request: Request, name: str) -> None:
    """Raises `Problem`: also where there is none."""
    with service.access(request, Action.SEARCH, Activity.REMOVED, _ONE) as (caller, _):
        if not service.saved.remove(caller.access.principal, name):
            raise absent()

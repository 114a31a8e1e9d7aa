"""Who has which role, and keys for programs: a page of forms that need no script."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.responses import RedirectResponse, Response

from stream.access.actions import AccessRole, Action
from stream.access.records import HOLDER_FORMS, MEMBER_FORMS, Name
from stream.errors import BadRequest
from stream.search.spaces import EMPTY_INDEX
from stream.service.administering import (
    HeldRole,
    administered,
    fill_team,
    give_role,
    make_key,
    makes_keys,
    narrow_key,
    revoke_key,
    take_role,
)
from stream.service.caller import LOCAL_ADMIN, Caller
from stream.service.forms import own_form
from stream.service.page.access_view import AccessView, HolderName, day, handed_on, meanings
from stream.service.page.pages import Pages
from stream.service.problems import Problem
from stream.service.schemas.access import GrantIn, KeyIn, KeyNarrowedIn, NewKeyOut, TeamIn
from stream.service.schemas.search import FacetsIn
from stream.service.searching import counted
from stream.service.service import Service

DONE = {
    "given": "The role was given.",
    "taken": "The role was taken: it is gone with their next request.",
    "team": "The team was saved.",
    "narrowed": "The key can do less from its next request on.",
    "revoked": "The key was revoked: it has ended, and so have the sessions that began with it.",
}
Done = Literal["given", "taken", "team", "narrowed", "revoked"]
_Tenant = Annotated[str | None, Query(min_length=1, max_length=200)]
_NAME: TypeAdapter[str] = TypeAdapter(Name)
_PATTERNS = {"holder": f"write {HOLDER_FORMS}", "members": f"write one a line: {MEMBER_FORMS}"}
_NAMES = "write at most 128 letters, digits and . _ @ + -, the first of them a letter or a digit"
# What the form itself can mend; anything else is a page of its own.
_MENDABLE = frozenset({400, 403, 404, 409, 422})
Sent = TypeVar("Sent", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Refused:
    """A form that was not taken: which one, why, and what was in it."""

    form: str
    why: str
    typed: Mapping[str, str]


class AccessPages:
    def __init__(self, service: Service, pages: Pages) -> None:
        self._service = service
        self._pages = pages

    def shown(self, request: Request, tenant: str | None, *, done: str | None = None) -> Response:
        caller = self._service.callers.of(request.headers)
        names = self._tenants(request, caller)
        return self._page(request, caller, names, tenant or (names[0] if len(names) == 1 else None), done=done)

    def changed(
        self, request: Request, form: str, fields: Mapping[str, str], change: Callable[[str], Done]
    ) -> Response:
        """The page after `change` of the form's tenant, or with the reason why not."""
        tenant = fields.get("tenant", "")
        try:
            done = change(_name(tenant, "tenant"))
        except Problem as problem:
            return self.refused(request, form, fields, problem)
        # 303: a reload sends no form again.
        return RedirectResponse(f"/access?{urlencode({'tenant': tenant, 'done': done})}", 303)

    def refused(self, request: Request, form: str, fields: Mapping[str, str], problem: Problem) -> Response:
        if problem.status not in _MENDABLE:
            raise problem
        caller = self._service.callers.of(request.headers)
        names = self._tenants(request, caller)
        why = Refused(form, problem.detail, fields)
        return self._page(request, caller, names, fields.get("tenant"), problem.status, refused=why)

    def new_key(self, request: Request, made: NewKeyOut) -> Response:
        caller = self._service.callers.of(request.headers)
        return self._pages.page("new_key", request, caller, status=201, made=made, day=day)

    def _page(
        self, request: Request, caller: Caller, names: list[str], tenant: str | None, status: int = 200, **values: Any
    ) -> Response:
        shown: dict[str, Any] = {"tenants": names, "tenant": tenant, "done": None, "refused": None, **values}
        if tenant is not None:
            found = administered(self._service, request, tenant)
            roles, projects = handed_on(caller.access, tenant)
            shown |= {"view": AccessView.of(found, self._service.callers.now_ms()), "roles": roles}
            shown |= {"own_projects": projects, "makes_keys": makes_keys(caller), "meanings": meanings()}
        local = caller.access.principal == LOCAL_ADMIN
        shown |= {"done_words": DONE, "local": local, "holder_name": HolderName.of}
        return self._pages.page("access", request, caller, status=status, **shown)

    def _tenants(self, request: Request, caller: Caller) -> list[str]:
        scopes = caller.access.scopes(Action.MANAGE)
        if scopes is not None:
            return sorted({name for name, _ in scopes})
        # Who may manage everything learns of tenants from what there is.
        known = {record.tenant for record in self._service.callers.registers.register().records()}
        try:
            found = counted(self._service, request, FacetsIn.model_validate({})).tenants
        # Of stores that hold nothing yet.
        except BadRequest as error:
            if error.code != EMPTY_INDEX:
                raise
            found = []
        return sorted(known | {item.value for item in found}) or ["default"]


def add_access(routes: APIRouter, service: Service, pages: Pages) -> None:
    shown = AccessPages(service, pages)
    fields_of = own_form(service)
    Fields = Annotated[dict[str, str], Depends(fields_of)]  # noqa: N806 - a type

    @routes.get("/access")
    def access(request: Request, tenant: _Tenant = None, done: Done | None = None) -> Response:
        """The roles and keys of a tenant; without one, which tenants the caller administers."""
        return shown.shown(request, tenant, done=done)

    _add_roles(routes, service, shown, Fields)
    _add_keys(routes, service, shown, Fields)


def _add_roles(routes: APIRouter, service: Service, shown: AccessPages, fields_type: Any) -> None:
    @routes.post("/access/give")
    def give(request: Request, fields: fields_type) -> Response:
        def change(tenant: str) -> Done:
            give_role(service, request, tenant, _sent(GrantIn, fields, ("role", "holder", "project", "days")))
            return "given"

        return shown.changed(request, "give", fields, change)

    @routes.post("/access/take")
    def take(request: Request, fields: fields_type) -> Response:
        def change(tenant: str) -> Done:
            given = _sent(GrantIn, fields, ("role", "holder", "project"))
            take_role(service, request, tenant, HeldRole(given.role, given.holder, given.project))
            return "taken"

        return shown.changed(request, "take", fields, change)

    @routes.post("/access/team")
    def fill(request: Request, fields: fields_type) -> Response:
        def change(tenant: str) -> Done:
            lines = (line.strip() for line in fields.get("members", "").splitlines())
            given = _checked(TeamIn, {"members": [line for line in lines if line]})
            fill_team(service, request, tenant, _name(fields.get("name", ""), "name"), given)
            return "team"

        return shown.changed(request, "team", fields, change)


def _add_keys(routes: APIRouter, service: Service, shown: AccessPages, fields_type: Any) -> None:
    @routes.post("/access/key")
    def make(request: Request, fields: fields_type) -> Response:
        """The page with the new key, which is shown this once."""
        try:
            given = _checked(KeyIn, _restricted(fields, ("owner", "project", "days")))
            made = make_key(service, request, _name(fields.get("tenant", ""), "tenant"), given)
        except Problem as problem:
            return shown.refused(request, "key", fields, problem)
        return shown.new_key(request, made)

    @routes.post("/access/narrow")
    def narrow(request: Request, fields: fields_type) -> Response:
        def change(tenant: str) -> Done:
            given = _checked(KeyNarrowedIn, _restricted(fields, ("project", "days")))
            try:
                narrow_key(service, request, tenant, _name(fields.get("key_id", ""), "key_id"), given)
            except BadRequest as error:
                raise Problem(400, error.message, code=error.code) from None
            return "narrowed"

        return shown.changed(request, "narrow", fields, change)

    @routes.post("/access/revoke")
    def revoke(request: Request, fields: fields_type) -> Response:
        def change(tenant: str) -> Done:
            revoke_key(service, request, tenant, _name(fields.get("key_id", ""), "key_id"))
            return "revoked"

        return shown.changed(request, "revoke", fields, change)


def _restricted(fields: Mapping[str, str], names: tuple[str, ...]) -> dict[str, Any]:
    """Fields of a form, with the roles that are ticked in it, if any are."""
    roles = [role.value for role in AccessRole if f"role-{role}" in fields]
    asked: dict[str, Any] = {name: fields[name].strip() for name in names if name in fields}
    return {**asked, "roles": roles} if roles else asked


def _sent(model: type[Sent], fields: Mapping[str, str], names: tuple[str, ...]) -> Sent:
    return _checked(model, {name: fields[name].strip() for name in names if name in fields})


def _checked(model: type[Sent], values: Mapping[str, Any]) -> Sent:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _wrong(error) from None


def _name(text: str, where: str) -> str:
    try:
        return _NAME.validate_python(text)
    except ValidationError as error:
        raise _wrong(error, where) from None


def _wrong(error: ValidationError, where: str = "") -> Problem:
    # Where and what kind, without what was sent.
    found = [(where or str(item["loc"][0]), item) for item in error.errors()[:5]]
    said = "; ".join(f"`{name}`: {_in_words(name, item)}" for name, item in found)
    return Problem(422, said, code="invalid_request")


def _in_words(name: str, item: Mapping[str, Any]) -> str:
    # A regular expression says nothing to a person.
    return _PATTERNS.get(name, _NAMES) if item["type"] == "string_pattern_mismatch" else str(item["msg"])

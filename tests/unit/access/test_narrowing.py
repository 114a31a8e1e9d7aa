"""A key can lose, and never gain."""

from itertools import product

import pytest

from stream.access.actions import AccessRole, Action
from stream.access.decision import Access, Restriction
from stream.access.narrowing import Narrowing, narrowed
from stream.access.records import ApiKey, Grant
from stream.access.register import AccessRegister
from stream.errors import BadRequest

NOW_MS = 1_700_000_000_000
PROJECTS = (None, "red", "blue")
ROLE_SETS = (None, (AccessRole.VIEWER,), (AccessRole.EDITOR, AccessRole.AUDITOR), tuple(AccessRole))


def key(roles: tuple[AccessRole, ...] | None, project: str | None, until_ms: int = NOW_MS + 10) -> ApiKey:
    return ApiKey(
        key_id="k1",
        tenant="acme",
        owner="bot",
        digest="0" * 64,
        roles=roles,
        project=project,
        until_ms=until_ms,
        made_by="os:root",
        made_at_ms=1,
    )


def does(held: ApiKey) -> set[tuple[Action, str]]:
    """What it can do, for a program with every role in every project."""
    grants = [
        Grant(tenant="acme", role=role, holder="service:acme/bot", given_by="os:root", given_at_ms=1)
        for role in AccessRole
    ]
    access = Access(held.principal, AccessRegister(grants), NOW_MS, Restriction.of(held))
    return {
        (action, project) for action in Action for project in ("red", "blue") if access.may(action, "acme", project)
    }


def test_whatever_is_asked_a_key_can_do_no_more_than_before() -> None:
    refused = 0
    for old_roles, old_project, roles, project in product(ROLE_SETS, PROJECTS, ROLE_SETS, PROJECTS):
        old = key(old_roles, old_project)
        try:
            new = narrowed(old, Narrowing(roles, project))
        except BadRequest:
            refused += 1
            continue
        assert does(new) <= does(old)
        assert (new.digest, new.principal, new.until_ms) == (old.digest, old.principal, old.until_ms)
    assert 0 < refused < len(ROLE_SETS) ** 2 * len(PROJECTS) ** 2


def test_it_ends_sooner_and_never_later() -> None:
    assert narrowed(key(None, None), Narrowing(until_ms=NOW_MS + 5)).until_ms == NOW_MS + 5
    with pytest.raises(BadRequest) as refused:
        narrowed(key(None, None), Narrowing(until_ms=NOW_MS + 11))
    assert refused.value.code == "key_would_widen"
    with pytest.raises(BadRequest) as nothing:
        narrowed(key(None, None), Narrowing())
    assert nothing.value.code == "key_not_narrowed"

"""Nobody hands on more than they have: not by a role, a team or a key."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from stream.access.actions import AccessRole, Action
from stream.access.decision import Access, Restriction
from stream.access.delegation import manages, may_fill, may_hand_on, may_make, may_manage, visible
from stream.access.records import ApiKey, Grant, Team, service_account, team
from stream.access.register import AccessRegister

ANA, NEW, NOW = "oidc:https://idp.example#ana", "oidc:https://idp.example#new", 1_000
TENANTS, PROJECTS = ("acme", "globex"), ("red", "blue")


def grant(role: AccessRole, holder: str = ANA, tenant: str = "acme", project: str | None = None) -> Grant:
    return Grant(tenant=tenant, project=project, role=role, holder=holder, given_by="os:root", given_at_ms=1)


def key(owner: str = "bot", project: str | None = None, roles: Sequence[AccessRole] | None = None) -> ApiKey:
    return ApiKey(
        key_id="k1",
        tenant="acme",
        owner=owner,
        digest="0" * 64,
        roles=None if roles is None else tuple(roles),
        project=project,
        until_ms=NOW + 1,
        made_by=ANA,
        made_at_ms=NOW,
    )


grants = st.builds(
    grant,
    st.sampled_from(AccessRole),
    st.sampled_from([ANA, service_account("acme", "bot"), team("cutters")]),
    st.sampled_from(TENANTS),
    st.sampled_from([None, *PROJECTS]),
)


def within(inner: Access, outer: Access) -> bool:
    return all(
        outer.may(action, tenant, project)
        for action in Action
        for tenant in TENANTS
        for project in (*PROJECTS, "made tomorrow")
        if inner.may(action, tenant, project)
    )


@given(
    st.lists(grants, max_size=6),
    grants,
    st.sampled_from([None, *PROJECTS]),
    st.none() | st.lists(st.sampled_from(AccessRole)),
)
def test_what_is_handed_on_is_within_what_the_giver_may(
    held: Sequence[Grant], more: Grant, project: str | None, roles: Sequence[AccessRole] | None
) -> None:
    register = AccessRegister(held)
    giver = Access(ANA, register, NOW)
    fresh = more.model_copy(update={"holder": NEW})
    if may_hand_on(giver, fresh):
        assert within(Access(NEW, AccessRegister([fresh]), NOW), giver)
    filled = Team(tenant="acme", name="cutters", members=(NEW,))
    if may_fill(giver, filled, register):
        assert within(Access(NEW, AccessRegister([*held, filled]), NOW), giver)
    made = key(project=project, roles=roles)
    if may_make(giver, made, register, NOW):
        assert within(Access(made.principal, register, NOW, Restriction.of(made)), giver)
    seen = visible(giver, register.records())
    assert all(may_manage(giver, record.tenant, getattr(record, "project", None)) for record in seen)
    assert {record.tenant for record in seen} <= {tenant for tenant in TENANTS if manages(giver, tenant)}


def test_an_administrator_makes_no_auditor_by_any_way() -> None:
    register = AccessRegister([grant(AccessRole.ADMIN), grant(AccessRole.AUDITOR, team("watch"))])
    admin = Access(ANA, register, NOW)
    assert may_hand_on(admin, grant(AccessRole.ADMIN, NEW))
    assert not may_hand_on(admin, grant(AccessRole.AUDITOR, NEW))
    assert not may_hand_on(admin, grant(AccessRole.AUDITOR, ANA))
    assert not may_fill(admin, Team(tenant="acme", name="watch", members=(ANA,)), register)
    watcher = grant(AccessRole.AUDITOR, service_account("acme", "bot"))
    register.put(watcher.key, watcher)
    assert not may_make(admin, key(), register, NOW)
    assert may_make(admin, key(roles=[AccessRole.VIEWER]), register, NOW)


def test_who_administers_a_project_administers_nothing_else() -> None:
    red = Access(ANA, AccessRegister([grant(AccessRole.ADMIN, project="red")]), NOW)
    assert may_hand_on(red, grant(AccessRole.VIEWER, NEW, project="red"))
    assert not may_hand_on(red, grant(AccessRole.VIEWER, NEW, project="blue"))
    assert not may_hand_on(red, grant(AccessRole.VIEWER, NEW))
    assert not may_hand_on(red, grant(AccessRole.VIEWER, NEW, "globex", "red"))
    assert not may_fill(red, Team(tenant="acme", name="new"), AccessRegister())
    assert may_make(red, key(project="red"), AccessRegister(), NOW)
    assert not may_make(red, key(), AccessRegister(), NOW)

"""Rights: what is given adds, what restricts takes away, and three questions have one answer."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.access.actions import MEANINGS, ROLES, AccessRole, Action
from stream.access.decision import Access, Restriction
from stream.access.records import Grant, Team, parsed, team
from stream.access.register import AccessRegister
from stream.errors import BadRequest

ANA, BOT = "person:idp|ana", "service:acme/bot"
NOW = 1_000
TENANTS, PROJECTS = ("acme", "globex"), ("red", "blue")


def grant(
    role: AccessRole, holder: str = ANA, tenant: str = "acme", project: str | None = None, until: int | None = None
) -> Grant:
    return Grant(
        tenant=tenant,
        project=project,
        role=role,
        holder=holder,
        until_ms=until,
        given_by="person:idp|boss",
        given_at_ms=1,
    )


def access(*records: Grant | Team, principal: str = ANA, restriction: Restriction | None = None) -> Access:
    return Access(principal, AccessRegister(records), NOW, restriction)


def test_nobody_may_do_anything_until_it_is_given() -> None:
    nobody = access(grant(AccessRole.ADMIN, BOT))
    assert all(nobody.scopes(action) == frozenset() for action in Action)
    assert not any(nobody.may(action, "acme", "red") for action in Action)
    assert nobody.reasons(Action.SEARCH, "acme", "red") == []


@pytest.mark.parametrize("role", list(AccessRole))
def test_a_role_holds_in_its_project_alone(role: AccessRole) -> None:
    held = access(grant(role, project="red"))
    for action in Action:
        assert held.may(action, "acme", "red") == (action in ROLES[role])
        assert not held.may(action, "acme", "blue")
        assert not held.may(action, "globex", "red")


def test_a_role_in_the_tenant_holds_in_all_its_projects() -> None:
    held = access(grant(AccessRole.VIEWER), grant(AccessRole.EDITOR, project="red"))
    assert held.scopes(Action.SEARCH) == frozenset({("acme", None)})
    assert held.scopes(Action.EXPORT) == frozenset({("acme", "red")})
    assert held.may(Action.SEARCH, "acme", "a project that is made tomorrow")


def test_a_role_ends() -> None:
    assert access(grant(AccessRole.VIEWER, until=NOW + 1)).may(Action.SEARCH, "acme", "red")
    over = access(grant(AccessRole.VIEWER, until=NOW))
    assert not over.may(Action.SEARCH, "acme", "red")
    (reason,) = over.reasons(Action.SEARCH, "acme", "red")
    assert (reason.allows, reason.text) == (False, "was viewer, which is over")


def test_a_team_gives_its_roles_to_its_members_in_its_tenant() -> None:
    red = Team(tenant="acme", name="cutters", members=(ANA,))
    same_name = Team(tenant="globex", name="cutters", members=(BOT,))
    records = (red, same_name, grant(AccessRole.VIEWER, team("cutters")))
    assert access(*records).may(Action.SEARCH, "acme", "red")
    assert access(*records).reasons(Action.SEARCH, "acme", "red")[0].text == (
        "is viewer through team cutters, given by person:idp|boss"
    )
    assert not access(*records, principal=BOT).may(Action.SEARCH, "acme", "red")
    assert not access(*records, principal=BOT).may(Action.SEARCH, "globex", "red")


def test_nobody_is_a_team() -> None:
    assert not access(grant(AccessRole.ADMIN, team("cutters")), principal=team("cutters")).may(
        Action.SEARCH, "acme", "red"
    )


@pytest.mark.parametrize(
    ("restriction", "search", "export", "elsewhere"),
    [
        (Restriction("acme"), True, True, False),
        (Restriction("acme", project="red"), True, True, False),
        (Restriction("acme", project="blue"), False, False, False),
        (Restriction("acme", roles=(AccessRole.VIEWER,)), True, False, False),
        (Restriction("acme", roles=(AccessRole.ADMIN,)), True, True, False),
        (Restriction("acme", roles=()), False, False, False),
        (Restriction("globex"), False, False, True),
    ],
)
def test_a_restriction_takes_away(restriction: Restriction, search: bool, export: bool, elsewhere: bool) -> None:
    held = access(grant(AccessRole.EDITOR), grant(AccessRole.VIEWER, tenant="globex"), restriction=restriction)
    assert held.may(Action.SEARCH, "acme", "red") == search
    assert held.may(Action.EXPORT, "acme", "red") == export
    assert held.may(Action.SEARCH, "globex", "red") == elsewhere
    assert not held.may(Action.DELETE, "acme", "red")


def test_an_auditor_sees_no_footage_and_an_administrator_no_trail() -> None:
    assert ROLES[AccessRole.AUDITOR] == {Action.READ_AUDIT}
    assert Action.READ_AUDIT not in ROLES[AccessRole.ADMIN]
    assert set(MEANINGS) == set(Action) == frozenset().union(*ROLES.values())


def test_the_only_administrator_of_a_machine_may_do_everything() -> None:
    local = Access("local:admin", AccessRegister(), NOW, everything=True)
    assert local.scopes(Action.DELETE) is None
    assert local.may(Action.MANAGE, "acme", "red")
    assert local.reasons(Action.MANAGE, "acme", "red")[0].allows


projects = st.sampled_from([None, *PROJECTS])
grants = st.builds(
    grant,
    role=st.sampled_from(AccessRole),
    holder=st.sampled_from([ANA, BOT, team("cutters")]),
    tenant=st.sampled_from(TENANTS),
    project=projects,
    until=st.sampled_from([None, NOW, NOW + 1]),
)
teams = st.builds(
    Team,
    tenant=st.sampled_from(TENANTS),
    name=st.just("cutters"),
    members=st.lists(st.sampled_from([ANA, BOT]), unique=True).map(tuple),
)
restrictions = st.none() | st.builds(
    Restriction,
    st.sampled_from(TENANTS),
    projects,
    st.none() | st.lists(st.sampled_from(AccessRole), unique=True).map(tuple),
)


@given(st.lists(grants, max_size=6), st.lists(teams, max_size=2), restrictions)
def test_three_questions_have_one_answer(
    given_roles: Sequence[Grant], groups: Sequence[Team], restriction: Restriction | None
) -> None:
    register = AccessRegister([*given_roles, *groups])
    free = Access(ANA, register, NOW)
    held = Access(ANA, register, NOW, restriction)
    for action in Action:
        scopes = held.scopes(action)
        assert scopes is not None
        for tenant in TENANTS:
            for project in PROJECTS:
                may = held.may(action, tenant, project)
                assert may == bool(scopes & {(tenant, project), (tenant, None)})
                assert may == any(reason.allows for reason in held.reasons(action, tenant, project))
                assert not may or free.may(action, tenant, project)


@given(st.lists(grants, max_size=6), st.lists(teams, max_size=2), st.randoms())
def test_the_order_of_records_does_not_matter_and_what_is_taken_is_gone(
    given_roles: Sequence[Grant], groups: Sequence[Team], chance: object
) -> None:
    records: dict[str, Grant | Team] = {grant.key: grant for grant in given_roles}
    records |= {group.key: group for group in groups}
    shuffled = list(records.values())
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = AccessRegister(records.values()), AccessRegister(shuffled)
    assert list(one.grants_of(ANA)) == list(other.grants_of(ANA))
    for key in records:
        other.put(key, None)
    assert list(other.grants_of(ANA)) == []
    assert other.records() == []


def test_records_are_read_as_they_are_written() -> None:
    for record in (grant(AccessRole.VIEWER, project="red"), Team(tenant="acme", name="cutters", members=(ANA,))):
        assert parsed(record.model_dump_json().encode()) == record


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{}",
        b'{"kind":"king"}',
        b'{"kind":"team","tenant":"a/b","name":"x"}',
        b'{"kind":"team","tenant":"*","name":"x"}',
        b'{"kind":"team","tenant":"acme\\n","name":"x"}',
        b'{"kind":"grant","tenant":"acme","role":"god","holder":"person:x","given_by":"person:y","given_at_ms":1}',
    ],
)
def test_what_is_no_record_is_refused(value: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        parsed(value)
    assert caught.value.code == "invalid_access_record"

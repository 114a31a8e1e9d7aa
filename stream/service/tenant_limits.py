"""What is agreed with a tenant, before anything is published for it."""

from stream.access.actions import Action
from stream.errors import BadEvent
from stream.pipelines.source_policies import KnownTenants
from stream.service.caller import Caller
from stream.service.problems import Problem, absent, forbidden
from stream.topology.ownership import Ownership


def require_publisher(caller: Caller, tenant: str, project: str) -> None:
    """Raises `Problem`: 403, or 404 in a tenant in which the caller may do nothing, which looks like one that is not
    there.
    """
    if caller.access.may(Action.PUBLISH, tenant, project):
        return
    if tenant not in caller.access.tenants():
        raise absent("There is no such tenant in which the caller may publish: `/v1/me` says where they may.")
    allowed = caller.access.scopes(Action.PUBLISH) or frozenset()
    theirs = sorted(name for owner, name in allowed if owner == tenant and name is not None)
    where = f"name one where they may: {', '.join(theirs)}" if theirs else "an administrator can give a role there"
    raise forbidden(f"The caller may not publish in project {project}; {where}.")


def agreed_region(tenants: KnownTenants, tenant: str, project: str) -> str:
    """The region of the tenant's footage, as the gate would take it. Raises `Problem` (400) for a project that was not
    agreed.
    """
    registered = tenants.now.get(tenant)
    if registered is None:
        return "local"
    owner = Ownership(tenant, registered.projects, registered.regions)
    try:
        owner.project(project)
    except BadEvent as refused:
        raise Problem(400, refused.message, code=refused.code) from None
    return owner.region("") or "local"

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
    if tenant in caller.access.tenants():
        raise forbidden(f"The caller may not publish in project {project}.")
    raise absent()


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

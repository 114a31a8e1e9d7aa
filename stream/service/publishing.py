"""A publication as one audited access."""

from secrets import token_hex

from fastapi import Request

from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity
from stream.events.ids import default_asset_id
from stream.service.caller import Caller
from stream.service.problems import Problem, absent
from stream.service.schemas.publications import PublicationOut, PublishedOut, PublishIn
from stream.service.service import Service
from stream.service.tenant_limits import agreed_region, require_publisher
from stream.sessions.background import NewFootage

_MOST_REFUSED = 100


def published(service: Service, request: Request, asked: PublishIn | None) -> PublishedOut:
    """`asked` is None for who may not send one. Raises `Problem`, and as `Publications.publish` does."""
    subject = AccessSubject("publish", None if asked is None else asked.tenant)
    with service.access(request, Action.PUBLISH, Activity.PUBLISHED, subject) as (caller, access):
        assert asked is not None
        require_publisher(caller, asked.tenant, asked.project)
        if service.publications is None:
            raise Problem(501, "This service has nobody to process footage.", code="no_workers")
        asset_id = asked.asset_id or default_asset_id(asked.uri)
        access.resources = (service.asset_name(asked.tenant, asset_id),)
        publication = NewFootage(
            publication_id=token_hex(16),
            tenant=asked.tenant,
            project=asked.project,
            region=agreed_region(service.tenants, asked.tenant, asked.project),
            asset_id=asset_id,
            uri=asked.uri,
            size_bytes=asked.size_bytes,
            profile=asked.profile,
            priority=asked.priority,
            labels=asked.labels,
            published_ms=service.callers.now_ms(),
            source="api",
        )
        service.publications.publish(publication)
        return PublishedOut.of(publication)


def viewed_publication(service: Service, request: Request, publication_id: str) -> PublicationOut:
    """Raises `Problem`: 404 also for one that the caller may not publish."""
    subject = AccessSubject("publication", resources=(publication_id,))
    with service.access(request, Action.PUBLISH, Activity.VIEWED, subject) as (caller, _):
        found = None if service.publications is None else service.publications.find(publication_id)
        if found is None or not caller.access.may(Action.PUBLISH, found.tenant, found.project):
            raise absent()
        return PublicationOut.of(found)


def refused_publications(service: Service, caller: Caller, tenant: str) -> list[PublicationOut]:
    """Of the last day, where the caller may publish; for the page, whose access is in the trail."""
    if service.publications is None:
        return []
    return [
        PublicationOut.of(each)
        for each in service.publications.refused(tenant, _MOST_REFUSED)
        if caller.access.may(Action.PUBLISH, each.tenant, each.project)
    ]

"""Assets and moments, each as one audited access: what the API answers as JSON, the page shows and agents get."""

from dataclasses import replace

from fastapi import Request

from sinks.dead_letters import DeadLetterFilter
from sinks.query.filters import Filters
from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity
from stream.audit.recorder import AuditedAccess
from stream.errors import BadRequest, StageError
from stream.events.grid import SECOND_NS
from stream.search.answer import FoundMoments
from stream.search.application import Search
from stream.search.spaces import EMPTY_INDEX
from stream.service.caller import Caller
from stream.service.problems import Problem, absent
from stream.service.schemas.assets import AssetDetailOut, AssetOut, AssetsIn, AssetsOut
from stream.service.schemas.dead_letters import DeadLetterOut, DeadLettersOut
from stream.service.schemas.moments import MomentDetailOut
from stream.service.schemas.search import FacetsIn, FreshnessOut
from stream.service.schemas.uploads import UploadOut, UploadsOut
from stream.service.searching import counted, scopes_of
from stream.service.service import Service, taken_uploads
from stream.service.signed_cursors import read_cursor, signed_cursor
from stream.service.uploads.register import Upload, UploadState

_MOST_COMING = 1_000
_MOST_UPLOADS = 100
_CURSOR = b"cursor of assets "


def listed_assets(service: Service, request: Request, asked: AssetsIn) -> AssetsOut:
    """The status of a tenant's assets, of the projects that the caller may see, page by page. Raises `Problem`."""
    secret = service.callers.pepper()
    tenant, project, after = asked.tenant, asked.project, None
    if asked.cursor is not None:
        tenant, project, after = read_cursor(secret, _CURSOR, asked.cursor)
    assert tenant is not None
    with service.access(request, Action.SEARCH, Activity.LISTED, AccessSubject("assets", tenant)) as (caller, access):
        # The rights of now: those of the first page may have ended.
        scopes = scopes_of(caller, Action.SEARCH)
        with service.searchers.one() as application:
            # One more than asked tells whether there are more.
            views = application.listed_assets(tenant, scopes, project=project, after=after, limit=asked.limit + 1)
        shown = views[: asked.limit]
        access.count = len(shown)
        more = len(views) > len(shown)
        cursor = signed_cursor(secret, _CURSOR, [tenant, project, shown[-1].asset_id]) if more else None
        return AssetsOut(assets=[AssetOut.of(view) for view in shown], next=cursor)


def all_assets(service: Service, request: Request, tenant: str) -> list[AssetOut]:
    """As `listed_assets`, all of them: for a list in another order."""
    with service.access(request, Action.SEARCH, Activity.LISTED, AccessSubject("assets", tenant)) as (caller, access):
        with service.searchers.one() as application:
            views = application.assets(tenant, scopes_of(caller, Action.SEARCH))
        access.count = len(views)
        return [AssetOut.of(view) for view in views]


def seen_tenants(service: Service, request: Request, caller: Caller) -> list[str]:
    """The tenants whose footage the caller may see. Raises `Problem`."""
    scopes = caller.access.scopes(Action.SEARCH)
    if scopes is not None:
        return sorted({name for name, _ in scopes})
    # Who may see everything learns of tenants from what there is, and from what is to come.
    with service.searchers.one() as application:
        coming = {item.tenant for item in application.under_way(_MOST_COMING).assets}
    try:
        found = counted(service, request, FacetsIn.model_validate({})).tenants
    # Of stores that hold nothing yet.
    except BadRequest as error:
        if error.code != EMPTY_INDEX:
            raise
        found = []
    return sorted(coming | {item.value for item in found})


def proven_fresh(service: Service, request: Request, tenant: str) -> FreshnessOut:
    """Up to which publication everything of a tenant that the caller may see is searchable. Raises `Problem`."""
    subject = AccessSubject("freshness", tenant)
    with service.access(request, Action.SEARCH, Activity.LISTED, subject) as (caller, _):
        filters = Filters(tenant=tenant, scopes=scopes_of(caller, Action.SEARCH))
        before = service.before.glance()
        with service.searchers.one() as application:
            return FreshnessOut.of(application.searchable(filters, before))


def viewed_asset(
    service: Service,
    request: Request,
    tenant: str,
    asset_id: str,
    *,
    space: str | None,
    since: float | None,
    limit: int,
) -> AssetDetailOut:
    """An asset with at most `limit` moments that end after `since` (s). Raises `Problem`."""
    subject = AccessSubject("asset", tenant, (service.asset_name(tenant, asset_id),))
    with service.access(request, Action.SEARCH, Activity.VIEWED, subject) as (caller, access):
        scopes = scopes_of(caller, Action.SEARCH)
        with service.searchers.one() as application:
            detail = application.asset(tenant, asset_id, scopes)
            if detail is None:
                raise absent()
            live = application.live(tenant, asset_id, scopes)
            start_ns = None if since is None else round(since * SECOND_NS)
            filters = Filters(tenant=tenant, asset_ids=(asset_id,), start_ns=start_ns, scopes=scopes)
            # One more than asked tells whether there are more.
            found = _moments(application, space, filters, limit + 1) if live else None
        access.count = len(found.moments[:limit]) if found else 0
        return AssetDetailOut.of(detail, live, found, limit)


def _moments(application: Search, space: str | None, filters: Filters, limit: int) -> FoundMoments | None:
    """None in an index whose first cell is still to come: its first asset is shown before."""
    try:
        return application.moments(space, filters, limit)
    except BadRequest as error:
        if error.code != EMPTY_INDEX:
            raise
        return None


def viewed_moment(service: Service, request: Request, moment_id: str, space: str | None) -> MomentDetailOut:
    """Raises `Problem`: also for a moment that the caller may not see, which looks like one that never was."""
    subject = AccessSubject("moment", resources=(moment_id,))
    with service.access(request, Action.SEARCH, Activity.VIEWED, subject) as (caller, access):
        filters = Filters(scopes=scopes_of(caller, Action.SEARCH))
        with service.searchers.one() as application:
            found = application.moment(space, moment_id, filters)
        if found is None:
            raise absent()
        shows_moment(service, access, found.detail.moment.tenant, found.detail.moment.asset_id, moment_id)
        access.count = 1
        return MomentDetailOut.of(found.detail, found.space)


def shows_moment(service: Service, access: AuditedAccess, tenant: str, asset_id: str, moment_id: str) -> None:
    """Let the outcome say of which asset a moment is: who asks for one need not know, and its id says nothing."""
    access.tenant = tenant
    access.resources = (moment_id, service.asset_name(tenant, asset_id))


def listed_dead_letters(service: Service, request: Request, wanted: DeadLetterFilter, limit: int) -> DeadLettersOut:
    """At most `limit` dead letters of tenants whose every project the caller may replay. Raises `Problem`."""
    subject = AccessSubject("dead letters", wanted.tenant)
    with service.access(request, Action.REPLAY, Activity.LISTED, subject) as (caller, access):
        with service.searchers.one() as application:
            # One more than asked tells whether there are more.
            found = application.dead_letters(replace(wanted, tenants=whole_tenants(caller)), limit + 1)
        access.count = len(found[:limit])
        replaying = service.replaying()
        shown = [DeadLetterOut.of(item, replaying) for item in found[:limit]]
        return DeadLettersOut(dead_letters=shown, complete=len(found) <= limit)


def own_uploads(service: Service, request: Request) -> UploadsOut:
    """The caller's newest. Raises `Problem`."""
    with service.access(request, Action.PUBLISH, Activity.LISTED, AccessSubject("uploads")) as (caller, access):
        uploads = taken_uploads(service)
        listed = uploads.register.of(caller.access.principal, _MOST_UPLOADS)
        found = [each for each in listed if caller.access.may(Action.PUBLISH, each.tenant, each.project)]
        access.count = len(found)
        return UploadsOut(uploads=[UploadOut.of(each, uploads.expires_ms(each)) for each in found])


def own_upload(service: Service, caller: Caller, upload_id: str) -> Upload:
    """One that the caller began, where they may publish now. Raises `Problem`."""
    found = taken_uploads(service).find(caller.access.principal, upload_id)
    # Another key of the same program may do less, and a role may have been taken since.
    if not caller.access.may(Action.PUBLISH, found.tenant, found.project):
        raise absent()
    return found


def upload_is_known(service: Service, caller: Caller, upload: Upload) -> bool | None:
    """Whether the caller can ask for the asset of their upload now; None while nobody can look."""
    if upload.state not in {UploadState.STORED, UploadState.PUBLISHED}:
        return False
    try:
        # Of an upload itself is told also while everybody searches.
        with service.searchers.one(0.0) as application:
            found = application.asset(upload.tenant, upload.asset_id, scopes_of(caller, Action.SEARCH))
    except (Problem, StageError):
        return None
    return found is not None


def whole_tenants(caller: Caller) -> tuple[str, ...] | None:
    """Of which the caller may replay all projects; None is everybody. Dead letters do not say their project."""
    scopes = caller.access.scopes(Action.REPLAY)
    return None if scopes is None else tuple(sorted(tenant for tenant, project in scopes if project is None))

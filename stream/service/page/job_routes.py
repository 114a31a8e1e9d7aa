"""Jobs for people: which there are, and of one its stages and variants. It needs no script."""

from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from stream.jobs.states import VariantState
from stream.service.job_viewing import AskedPage, listed_jobs, listed_variants, tenants_with_jobs, viewed_job
from stream.service.page.freshness_view import utc
from stream.service.page.pages import Pages
from stream.service.path_segments import TenantName
from stream.service.service import Service

_MOST_JOBS, _MOST_FAILED, _MOST_CARDS = 100, 50, 48
_Tenant = Annotated[str | None, Query(min_length=1, max_length=200)]
_Cursor = Annotated[str | None, Query(max_length=2_000)]


def add_jobs(routes: APIRouter, service: Service, pages: Pages) -> None:
    @routes.get("/jobs")
    def jobs(request: Request, tenant: _Tenant = None, cursor: _Cursor = None) -> Response:
        """The jobs of a tenant; without one, which tenants there are."""
        caller = service.callers.of(request.headers)
        names = tenants_with_jobs(service, caller)
        chosen = tenant or (names[0] if len(names) == 1 else None)
        values: dict[str, Any] = {"tenants": names, "tenant": chosen, "cursor": cursor}
        if chosen is not None:
            values["found"] = listed_jobs(service, request, chosen, AskedPage(_MOST_JOBS, cursor=cursor))
        return pages.page("jobs", request, caller, job_url=job_url, utc=utc, **values)

    @routes.get("/jobs/{tenant}/{job}")
    def job(
        request: Request,
        tenant: TenantName,
        job: Annotated[str, Path(min_length=1, max_length=100)],
        cursor: _Cursor = None,
    ) -> Response:
        """A job with its stages, what failed, and then the other variants."""
        caller = service.callers.of(request.headers)
        found = viewed_job(service, request, tenant, job)
        failed = None
        if found.failed and cursor is None:
            failed = listed_variants(service, request, tenant, job, AskedPage(_MOST_FAILED, VariantState.FAILED))
        variants = listed_variants(service, request, tenant, job, AskedPage(_MOST_CARDS, cursor=cursor))
        others = [each for each in variants.variants if each.state is not VariantState.FAILED]
        more = variants.next and f"{job_url(tenant, job)}?{urlencode({'cursor': variants.next})}"
        shown: dict[str, Any] = {"failed": failed, "others": others, "more": more, "earlier": cursor is not None}
        return pages.page("job", request, caller, job=found, job_url=job_url, utc=utc, **shown)


def job_url(tenant: str, job: str) -> str:
    """Of its page."""
    return f"/jobs/{quote(tenant, safe='')}/{quote(job, safe='')}"

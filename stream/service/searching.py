"""A search as one audited access: what the API answers as JSON and the page shows."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from uuid import uuid4

from fastapi import Request

from sinks.query.filters import Filters, Scope
from stream.access.actions import Action
from stream.audit.ocsf import AccessSubject, Activity
from stream.audit.recorder import query_digest
from stream.events.grid import SECOND_NS
from stream.events.ids import typed_digest
from stream.search.freshness import EventsBefore, SearchableUpTo
from stream.search.request import MomentRef, PictureFile, Query, SearchRequest, Words
from stream.service.caller import Caller
from stream.service.problems import Problem
from stream.service.ranges import is_named
from stream.service.result_lists import KeptList, cursor_to, place_of
from stream.service.schemas.exports import ExportIn, ExportSearchIn
from stream.service.schemas.facets import FacetsOut
from stream.service.schemas.search import AnswerOut, FacetsIn, FreshnessOut, NarrowedIn, PictureSearchIn, SearchIn
from stream.service.service import Service

FACETS_OF = 1_000
"""Of the moments that a query finds, so many are counted."""


@dataclass(frozen=True, slots=True)
class TaggedAnswer:
    """`out` is None where the caller has what `etag` names; without an `etag` nothing is to be kept."""

    out: AnswerOut | None
    etag: str | None = None


def answered(
    service: Service, request: Request, asked: SearchIn, picture: bytes | None = None, *, telling: bool = False
) -> AnswerOut:
    """What the caller may see of the answer; `picture` is the file of one to find similar moments of. With `telling` it
    tells its freshness, as far as that is known at once. Raises `Problem`, and as `Search.answer` does.
    """
    found = tagged(service, request, asked, picture, known=None, telling=telling).out
    assert found is not None
    return found


def tagged(
    service: Service,
    request: Request,
    asked: SearchIn,
    picture: bytes | None = None,
    *,
    known: str | None,
    telling: bool = False,
) -> TaggedAnswer:
    """As `answered`; `known` is what the caller says to have (`If-None-Match`)."""
    if asked.cursor is not None:
        return TaggedAnswer(_next_page(service, request, asked))
    query = query_of(asked) if picture is None else PictureFile(picture)
    if query is None:
        raise _blank()
    subject = _subject(service, asked, picture)
    with service.access(request, Action.SEARCH, Activity.SEARCHED, subject) as (caller, access):
        wanted = _request(query, asked, filters_of(caller, asked))
        # Before a search application is taken: a cluster may take its time.
        before = service.before.glance() if telling else _before(service, asked.as_fresh_as)
        with service.searchers.one() as application:
            lasting = picture is None and before is None
            # Before anything is encoded or searched.
            state = _state(application.state(asked.space), caller, asked) if lasting else None
            etag = None if state is None else service.tags.at(state)
            if etag is not None and is_named(known, etag, weak=True):
                return TaggedAnswer(None, etag)
            # Before the search, so that the answer is never older.
            found = None if before is None else application.searchable(wanted.filters, before)
            if found is not None and asked.as_fresh_as is not None:
                _require(found, asked.as_fresh_as, service.callers.now_ms())
            answer = application.answer(wanted)
        out = AnswerOut.of(answer, None, None if found is None else FreshnessOut.of(found))
        again = answer.again if answer.more else None
        if state is not None:
            etag = _etag(out, caller, asked, more=again is not None)
            service.tags.keep(state, etag)
            # What others stored has changed the state, and not what this caller has.
            if is_named(known, etag, weak=True):
                return TaggedAnswer(None, etag)
        access.count = len(answer.hits)
        if again is not None:
            key = typed_digest("list", etag or uuid4().hex)
            service.lists.put(key, KeptList(caller.access.principal, again, answer.listed, subject.query))
            out.next, out.end = cursor_to(service.callers.pepper(), key, asked.limit), "more"
        return TaggedAnswer(out, etag)


def found_within(service: Service, request: Request, asset: tuple[str, str], asked: SearchIn) -> AnswerOut:
    """The hits of a question in one asset, given as tenant and id. Raises `Problem`, and as `Search.answer` does."""
    query = query_of(asked)
    if query is None:
        raise _blank()
    with service.access(request, Action.SEARCH, Activity.SEARCHED, _subject(service, asked)) as (caller, access):
        filters = replace(filters_of(caller, asked), tenant=asset[0], asset_ids=(asset[1],))
        with service.searchers.one() as application:
            answer = application.answer(_request(query, asked, filters))
        access.count = len(answer.hits)
        return AnswerOut.of(answer)


def _next_page(service: Service, request: Request, asked: SearchIn) -> AnswerOut:
    if asked.model_fields_set - {"cursor", "limit"}:
        raise Problem(400, "A cursor holds the whole question: send it alone, or with `limit`.", code="bad_cursor")
    key, offset = place_of(service.callers.pepper(), asked.cursor or "")
    subject = service.lists.subject(key)
    with service.access(request, Action.SEARCH, Activity.SEARCHED, subject) as (caller, access):
        kept = service.lists.get(key, caller.access.principal)
        # The rights of now: those of the first page may have ended.
        filters = replace(kept.request.filters, scopes=scopes_of(caller, Action.SEARCH))
        wanted = replace(kept.request, filters=filters)
        with service.searchers.one() as application:
            found = kept.whole
            if found is None:
                found = application.listed(wanted, kept.first)
                service.lists.whole(key, kept, found)
            page = application.page(wanted, found.page(offset, asked.limit))
        access.count = len(page.hits)
        ended = offset + asked.limit >= len(found.units)
        cursor = None if ended else cursor_to(service.callers.pepper(), key, offset + asked.limit)
        return AnswerOut.of_page(page, cursor, found.end if ended else "more")


def _request(query: Query, asked: PictureSearchIn, filters: Filters) -> SearchRequest:
    return SearchRequest(
        query,
        filters,
        asked.space,
        asked.limit,
        asked.group,
        sort=asked.sort,
        least_shot_ns=_ns(asked.shot_from),
        most_shot_ns=_ns(asked.shot_to),
        # The answer holds addresses of pictures.
        thumbnails=False,
    )


def _state(stored: tuple[str, str], caller: Caller, asked: SearchIn) -> str:
    """Of what is stored, of who asks and may see what, and of the question: what decides an answer."""
    rights = scopes_of(caller, Action.SEARCH)
    named = None if rights is None else tuple((scope.tenant, scope.project) for scope in rights)
    return typed_digest("search state", 1, *stored, caller.access.principal, named, asked.model_dump_json())


def _etag(out: AnswerOut, caller: Caller, asked: SearchIn, *, more: bool) -> str:
    """Strong: of the answer, of who gets it, and of the question."""
    # Without the cursor, which is made of it.
    told = out.model_dump_json(exclude={"next", "end"})
    return f'"{typed_digest("search", 2, told, more, caller.access.principal, asked.model_dump_json())}"'


def _before(service: Service, as_fresh_as_s: float | None) -> EventsBefore | None:
    # A look may be as old as half of what is asked, so that its age does not decide the answer.
    return None if as_fresh_as_s is None else service.before.look(as_fresh_as_s / 2)


def _require(found: SearchableUpTo, as_fresh_as_s: float, now_ms: int) -> None:
    """Raises `Problem` (412)."""
    if found.holds(as_fresh_as_s, now_ms):
        return
    words = f"Not everything that was published {as_fresh_as_s:g} seconds ago or before is searchable."
    if found.unknown is not None:
        words = f"Whether everything that was published is searchable is not known now: {found.unknown}."
    raise Problem(
        412,
        words,
        code="not_fresh_enough",
        headers={"retry-after": "2"},
        extra={"freshness": FreshnessOut.of(found).model_dump()},
    )


def export_request(asked: ExportSearchIn, rights: Filters) -> SearchRequest:
    """A search whose hits are taken out, within `rights`. Raises `Problem` (`blank_query`)."""
    query = query_of(asked)
    if query is None:
        raise _blank()
    return _request(query, asked, replace(narrowed(asked), scopes=rights.scopes))


def export_subject(service: Service, asked: ExportIn) -> AccessSubject:
    """What an export is audited as."""
    search = asked.search
    if search is None:
        return AccessSubject("export")
    return replace(_subject(service, search), operation="export")


def counted(service: Service, request: Request, asked: FacetsIn) -> FacetsOut:
    """What the caller may see, counted. Raises `Problem`, and as `Search.facets` does."""
    query = query_of(asked)
    with service.access(request, Action.SEARCH, Activity.SEARCHED, _subject(service, asked)) as (caller, access):
        filters = filters_of(caller, asked)
        with service.searchers.one() as application:
            if query is None:
                found = application.facets(asked.space, filters)
            else:
                found = application.facets_of(SearchRequest(query, filters, asked.space, FACETS_OF, "moment"))
        access.count = found.counts.moments
        return FacetsOut.of(found, None if query is None else FACETS_OF)


def query_of(asked: FacetsIn) -> Words | MomentRef | None:
    """Raises `Problem` (`blank_query`) for words beside a moment, and for blank words."""
    if asked.q is None and asked.like is None:
        return None
    if (asked.q is None or not asked.q.strip()) == (asked.like is None):
        raise _blank()
    return MomentRef(asked.like) if asked.like is not None else Words(asked.q or "")


def filters_of(caller: Caller, asked: NarrowedIn) -> Filters:
    """What is asked for, of what the caller may see."""
    # The store itself leaves rows out: dropping them afterwards leaks by counts and time (ADR 0046).
    return replace(narrowed(asked), scopes=scopes_of(caller, Action.SEARCH))


def narrowed(asked: NarrowedIn) -> Filters:
    """What is asked for, whoever asks. Raises `Problem` (`bad_label`)."""
    return Filters(
        tenant=asked.tenant,
        project=asked.project,
        labels=labels_of(asked.label),
        kind=asked.kind,
        start_ns=_ns(asked.since),
        end_ns=_ns(asked.until),
        tags=tuple(asked.tag),
        nsfw_from=asked.nsfw_from,
        nsfw_below=asked.nsfw_below,
        model=asked.model,
    )


def _blank() -> Problem:
    return Problem(400, "Say what to look for: `q` in words, or `like` a moment.", code="blank_query")


def _subject(service: Service, asked: FacetsIn, picture: bytes | None = None) -> AccessSubject:
    if picture is not None:
        text = f"picture {sha256(picture).hexdigest()}"
    elif asked.q is not None or asked.like is not None:
        text = asked.q if asked.like is None and asked.q else f"like {asked.like}"
    else:
        return AccessSubject("facets", asked.tenant)
    # The trail holds a keyed digest only: words of a query are not kept.
    return AccessSubject("search", asked.tenant, query=query_digest(service.secret, asked.tenant, text))


def scopes_of(caller: Caller, action: Action) -> tuple[Scope, ...] | None:
    """Where the caller may do it, as the stores take it: None is everywhere."""
    scopes = caller.access.scopes(action)
    return None if scopes is None else tuple(Scope(tenant, project) for tenant, project in listed(scopes))


def listed(scopes: Iterable[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    """In one order, whole tenants first."""
    return sorted(scopes, key=lambda scope: (scope[0], scope[1] or ""))


def _ns(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * SECOND_NS)


def labels_of(given: Iterable[str]) -> dict[str, str]:
    """Of `k=v`. Raises `Problem` (`bad_label`)."""
    found = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key or len(text) > 200:
            raise Problem(400, f"A label is `k=v` of at most 200 characters, not {text[:50]!r}.", code="bad_label")
        found[key] = value
    return found

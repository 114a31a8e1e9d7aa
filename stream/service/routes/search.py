"""Search, and what the moments are like that it can find."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from stream.service.bodies import picture_body
from stream.service.schemas.facets import FacetsOut
from stream.service.schemas.problems import ProblemOut
from stream.service.schemas.search import AnswerOut, FacetsIn, PictureSearchIn, SearchIn
from stream.service.searching import answered, counted, tagged
from stream.service.service import Service


def add(routes: APIRouter, service: Service) -> None:
    refused: dict[int | str, dict[str, Any]] = {code: {"model": ProblemOut} for code in (400, 410, 412)}

    @routes.get("/search", response_model=AnswerOut, responses=refused)
    def search(request: Request, asked: Annotated[SearchIn, Query()]) -> Response:
        """Moments that show or mention what is asked for, best first, of what the caller may see. `next` is a cursor to
        the rest of up to ten thousand moments. `ETag` stays while the answer does.
        """
        found = tagged(service, request, asked, known=request.headers.get("if-none-match"))
        headers = {"etag": found.etag, "cache-control": "private, no-cache"} if found.etag else {}
        headers["vary"] = "Authorization"
        if found.out is None:
            return Response(status_code=304, headers=headers)
        return Response(found.out.model_dump_json(), media_type="application/json", headers=headers)

    said: dict[int | str, dict[str, Any]] = {code: {"model": ProblemOut} for code in (400, 408, 413, 415)}
    binary = {"schema": {"type": "string", "format": "binary"}}
    body = {"required": True, "content": dict.fromkeys(("image/jpeg", "image/png", "image/webp"), binary)}

    @routes.post("/search", responses=said, openapi_extra={"requestBody": body})
    def search_by_picture(
        request: Request,
        asked: Annotated[PictureSearchIn, Query()],
        picture: Annotated[bytes, Depends(picture_body(service))],
    ) -> AnswerOut:
        """Moments that look like the picture that is the body, as its file: PNG, JPEG, WebP, AVIF, GIF, BMP, TIFF or
        PPM, of at most 20 MiB and 100 million pixels (WebP, AVIF: 34).
        """
        return answered(service, request, SearchIn.model_validate(asked.model_dump(by_alias=True)), picture)

    @routes.get("/facets", responses={400: {"model": ProblemOut}})
    def facets(request: Request, asked: Annotated[FacetsIn, Query()]) -> FacetsOut:
        """How many moments have which tags, labels, kinds, projects and scores of moderation: of all that the filters
        keep, or with `q` or `like` of the best thousand for the query. Tenants are those that the caller may see.
        """
        return counted(service, request, asked)

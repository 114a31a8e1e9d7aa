"""Errors as problem details of RFC 9457: the code, what it means and what to do; never what was found on the way."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

from stream.audit.recorder import code_of as audited_code
from stream.error_codes.table import ERROR_CODES
from stream.errors import BadMedia, BadRequest, StageError, Unavailable

MEDIA_TYPE = "application/problem+json"
_RETRY_S = 5


class Problem(Exception):
    """One that a route raises. `detail` is for who asked, so nothing that they may not know is in it. `extra` are
    more members of the answer. `key_id`, for the trail alone: of the key that the problem is about.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
        key_id: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.key_id = key_id
        self.extra = extra or {}
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers or {}


def unauthenticated(detail: str, key_id: str | None = None) -> Problem:
    # RFC 9110 requires the header with every 401.
    headers = {"www-authenticate": 'Bearer realm="rushes"'}
    return Problem(401, detail, code="unauthenticated_request", headers=headers, key_id=key_id)


def forbidden(detail: str) -> Problem:
    return Problem(403, detail, code="forbidden")


def absent(detail: str = "There is no such thing.") -> Problem:
    """What is not there and what may not be known look alike, so `detail` is the same for both."""
    return Problem(404, detail, code="no_such_thing")


def busy() -> Problem:
    return Problem(503, "Too many requests are waiting.", code="busy", headers={"retry-after": str(_RETRY_S)})


def problem_of(error: StageError) -> Problem:
    """Only what a caller can change is told in full: other messages name places of this machine."""
    row = ERROR_CODES.get(error.code)
    meaning = row.meaning if row else "The service cannot answer."
    if isinstance(error, BadRequest | BadMedia):
        return Problem(400, error.message, code=error.code)
    if isinstance(error, Unavailable):
        return Problem(503, meaning, code=error.code, headers={"retry-after": str(_RETRY_S)})
    return Problem(500, meaning, code=error.code)


def body_of(problem: Problem) -> dict[str, Any]:
    """What is told of it."""
    row = ERROR_CODES.get(problem.code)
    body: dict[str, Any] = {
        "type": f"urn:rushes:error:{problem.code}",
        "title": row.meaning if row else "The request failed.",
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
    }
    # Advice on a fault of the service is for its operator, not for who asked.
    if row is not None and problem.status < 500:
        body["advice"] = row.advice
    return body | dict(problem.extra)


def response_of(problem: Problem) -> JSONResponse:
    return JSONResponse(body_of(problem), problem.status, dict(problem.headers), MEDIA_TYPE)


def code_of(error: BaseException) -> str:
    """What the audit trail says of a request that failed."""
    return error.code if isinstance(error, Problem) else audited_code(error)

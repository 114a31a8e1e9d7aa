"""What a refusal of each status looks like, for the OpenAPI document: the most usual one."""

from collections.abc import Mapping
from typing import Any

from stream.service.problems import Problem, absent, body_of, busy, forbidden, unauthenticated

_USUAL = (
    Problem(400, "The cursor is not one of this service.", code="bad_cursor"),
    unauthenticated("The key is not valid."),
    forbidden("The caller has no role that may do this: an administrator can give one."),
    absent(),
    Problem(408, "The body did not come within 30 seconds.", code="slow_request"),
    Problem(409, "The first request with this key is at work.", code="write_in_flight"),
    Problem(410, "The footage is not there any more.", code="not_found"),
    Problem(412, "Not all is searchable that was published then.", code="not_fresh_enough"),
    Problem(413, "The body has more than 256 KiB.", code="large_request"),
    Problem(415, "Send a JSON document, with the type `application/json`.", code="invalid_request"),
    Problem(416, "There are 1048576 bytes.", code="range_not_satisfiable"),
    Problem(422, "query.limit: Input should be greater than or equal to 1", code="invalid_request"),
    Problem(429, "Too many requests in a short time.", code="too_many_requests"),
    Problem(460, "What came is not what was announced.", code="checksum_mismatch"),
    Problem(501, "This service has nobody to process records.", code="no_workers"),
    busy(),
    Problem(507, "The disk has no room for the upload.", code="no_room_for_upload"),
)
PROBLEM_EXAMPLES: Mapping[str, Mapping[str, Any]] = {str(problem.status): body_of(problem) for problem in _USUAL}
"""By status."""

"""The OpenAPI document, as the service answers: FastAPI says of every model that it is plain JSON."""

from typing import Any

from fastapi import FastAPI

_PROBLEM = "#/components/schemas/ProblemOut"
_WITH_BODIES = frozenset({"post", "put", "patch", "delete"})
_BODIES = {"408": "The body came too slowly", "413": "The body is too large", "415": "The body is of another type"}
"""What is answered before the route runs (`bounded_requests`)."""


class DescribedApplication(FastAPI):
    """Its errors are documented as problem details (RFC 9457), which they are, with those of bodies."""

    def openapi(self) -> dict[str, Any]:
        made = self.openapi_schema is None
        document = super().openapi()
        if made:
            for operations in document["paths"].values():
                for method, operation in operations.items():
                    if method in _WITH_BODIES:
                        operation["responses"] |= {status: _of_bodies(words) for status, words in _BODIES.items()}
                    for response in operation["responses"].values():
                        _as_problem(response)
        return document


def _of_bodies(words: str) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": {"$ref": _PROBLEM}}}}


def _as_problem(response: dict[str, Any]) -> None:
    content = response.get("content", {})
    plain = content.get("application/json", {})
    if plain.get("schema", {}).get("$ref") == _PROBLEM:
        content["application/problem+json"] = content.pop("application/json")

"""The OpenAPI document, as the service answers: FastAPI says of every model that it is plain JSON."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from stream.service.problem_examples import PROBLEM_EXAMPLES
from stream.service.repeatable_writes import HEADER, MOST_CHARACTERS, REPEATED, is_repeatable

_SCHEMAS = "stream.service.schemas."
_PROBLEM = "#/components/schemas/ProblemOut"
_WITH_BODIES = frozenset({"post", "put", "patch", "delete"})
_BODIES = {"408": "The body came too slowly", "413": "The body is too large", "415": "The body is of another type"}
"""What is answered before the route runs (`bounded_requests`)."""
_KEY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Names this write, best by a UUID. Sent again within 24 hours it is done once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS, "pattern": "^[!#-\\[\\]-~]+$"},
}
_REPEATED = {"description": "`true` where a write is answered as before.", "schema": {"type": "string"}}


class DescribedApplication(FastAPI):
    """Its errors are documented as problem details (RFC 9457), which they are, with those of bodies."""

    def openapi(self) -> dict[str, Any]:
        made = self.openapi_schema is None
        document = super().openapi()
        if made:
            _give_examples(document["components"]["schemas"])
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    if is_repeatable(method.upper(), path):
                        _takes_key(operation)
                    if method in _WITH_BODIES:
                        operation["responses"] |= {status: _of_bodies(words) for status, words in _BODIES.items()}
                    for status, response in operation["responses"].items():
                        _as_problem(status, response)
        return document


def _give_examples(schemas: dict[str, Any]) -> None:
    """Whole: FastAPI leaves out of them what is null, which an answer has to say."""
    for model in _models(BaseModel):
        extra = model.model_config.get("json_schema_extra")
        if model.__module__.startswith(_SCHEMAS) and model.__name__ in schemas and isinstance(extra, dict):
            schemas[model.__name__] |= extra


def _models(above: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in above.__subclasses__():
        yield model
        yield from _models(model)


def _takes_key(operation: dict[str, Any]) -> None:
    operation["parameters"] = [*operation.get("parameters", []), _KEY]
    responses = operation["responses"]
    responses.setdefault("409", _of_bodies("The state of things does not allow it, or the key is at work"))
    for status, response in responses.items():
        if status.startswith("2"):
            response["headers"] = {**response.get("headers", {}), REPEATED: _REPEATED}


def _of_bodies(words: str) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": {"$ref": _PROBLEM}}}}


def _as_problem(status: str, response: dict[str, Any]) -> None:
    content = response.get("content", {})
    plain = content.get("application/json", {})
    if plain.get("schema", {}).get("$ref") == _PROBLEM:
        example = {"example": PROBLEM_EXAMPLES[status]}
        content["application/problem+json"] = content.pop("application/json") | example

"""The examples of the OpenAPI document: every JSON body and answer has one, and each is what its schema says."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from stream.error_codes.table import ERROR_CODES
from stream.service import schemas
from stream.service.schemas.problems import ProblemOut
from tests.support.service_desk import opened


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("examples")
    with opened(root, root) as desk:
        found: dict[str, Any] = desk.client.get("/openapi.json").json()
    return found


def models() -> dict[str, type[BaseModel]]:
    """What the API takes and answers, by name."""
    found = [
        importlib.import_module(f"{schemas.__name__}.{each.name}") for each in pkgutil.iter_modules(schemas.__path__)
    ]
    named = (item for module in found for item in vars(module).values())
    return {item.__name__: item for item in named if isinstance(item, type) and issubclass(item, BaseModel)}


def contents(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Where, the status ("" of a body), and the JSON that stands there, with its schema."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts = {"": operation.get("requestBody", {}), **operation["responses"]}
            for status, part in parts.items():
                for kind, content in part.get("content", {}).items():
                    if kind.endswith("json") and content.get("schema"):
                        yield f"{method} {path}", status, content


def schema_of(document: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    name = content["schema"].get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = document["components"]["schemas"][name] if name else content["schema"]
    return found


def test_every_body_and_answer_has_an_example_that_its_schema_allows(document: dict[str, Any]) -> None:
    known, bodies, answers = models(), 0, 0
    for where, status, content in contents(document):
        if status >= "4":
            continue
        schema = schema_of(document, content)
        assert schema.get("examples"), (where, status)
        for example in schema["examples"]:
            read = known[schema["title"]].model_validate(example)
            # A body says what it likes; an answer says all that there is, and both nothing that there is not.
            said = read.model_dump(mode="json", by_alias=True, exclude_unset=not status)
            assert said == example, (where, status)
        bodies, answers = bodies + (not status), answers + bool(status)
    assert (bodies >= 6, answers >= 20) == (True, True)


def test_every_problem_has_an_example_of_its_status(document: dict[str, Any]) -> None:
    found = {status: content["example"] for _, status, content in contents(document) if status >= "4"}
    assert len(found) >= 14
    for status, example in found.items():
        assert ProblemOut.model_validate(example).status == int(status)
        assert example["code"] in ERROR_CODES

"""The API by the client that is made from what the service says of itself: it finds, plays and is refused in words."""

import importlib
import os
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from deploy.promtool import default_cache
from deploy.service_client import find, generate
from stream.access.actions import AccessRole
from tests.support.service_desk import Desk, opened, two_tenants


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with opened(two_tenants(tmp_path_factory.mktemp("stores")), tmp_path_factory.mktemp("own")) as found:
        found.give("viewer", AccessRole.VIEWER)
        found.give("stranger", AccessRole.VIEWER, "globex")
        yield found


@pytest.fixture(scope="module")
def made(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package as a user would import it."""
    if find(default_cache()) is None and os.environ.get("CI") != "true":
        pytest.skip("the generator of clients is missing; `make assets` provides it")
    folder = tmp_path_factory.mktemp("package")
    generate(desk.client.get("/openapi.json").json(), folder / "rushes_client", default_cache(), module=True)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("rushes_client")
    sys.path.remove(str(folder))


def calls(name: str) -> Any:
    """The functions for one operation."""
    return importlib.import_module(f"rushes_client.api.{name}")


def client_of(made: ModuleType, desk: Desk, key: str) -> Any:
    return made.AuthenticatedClient(base_url=str(desk.client.base_url), token=desk.keys[key])


def test_a_search_and_what_it_leads_to(made: ModuleType, desk: Desk) -> None:
    with client_of(made, desk, "viewer") as client:
        answer = calls("search.search").sync(client=client, q="red", limit=3)
        (hit,) = answer.hits[:1]
        assert (hit.tenant, hit.to_dict()) == ("acme", desk.get("/v1/search", q="red", limit=3).json()["hits"][0])
        moment = hit.moment_ids[0]
        assert calls("moments.moment").sync(moment, client=client).moment.moment_id == moment
        picture = calls("moments.thumbnail").sync_detailed(moment, client=client, space=answer.space)
        assert picture.content[:2] == b"\xff\xd8"
        assert calls("assets.asset").sync(hit.tenant, hit.asset_id, client=client).asset.status == "ready"
        assert calls("search.facets").sync(client=client).moments > 0
        assert calls("rights.me").sync(client=client).principal == "service:acme/viewer"


def test_what_is_refused_is_a_problem_with_its_code(made: ModuleType, desk: Desk) -> None:
    moment = desk.get("/v1/search", q="red").json()["hits"][0]["moment_ids"][0]
    with client_of(made, desk, "stranger") as client:
        refused = calls("moments.moment").sync_detailed(moment, client=client)
        assert (refused.status_code, refused.parsed.code) == (404, "no_such_thing")
    with made.AuthenticatedClient(base_url=str(desk.client.base_url), token="rsk_wrong") as client:
        refused = calls("rights.me").sync_detailed(client=client)
        assert (refused.status_code, refused.parsed.code) == (401, "unauthenticated_request")

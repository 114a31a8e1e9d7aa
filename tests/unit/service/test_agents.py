"""Tools for agents, asked by the protocol's own client over HTTP."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from stream.access.actions import AccessRole
from tests.support.service_desk import Desk, opened, two_tenants

TOOLS = {"search_moments", "get_moment", "list_facets", "asset_status"}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_tenants(tmp_path_factory.mktemp("agents"))


@pytest.fixture
def desk(stores: Path, tmp_path: Path) -> Iterator[Desk]:
    with opened(stores, tmp_path, agents=True) as found:
        found.give("viewer", AccessRole.VIEWER)
        found.give("auditor", AccessRole.AUDITOR)
        found.give("stranger", AccessRole.VIEWER, "globex")
        yield found


def asked(desk: Desk, key: str, work: Callable[[Client], Awaitable[Any]]) -> Any:
    """What `work` gets as somebody's agent."""

    async def run() -> Any:
        headers = {"authorization": f"Bearer {desk.keys[key]}"}
        async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
            transport = streamable_http_client(f"{desk.client.base_url}/mcp", http_client=http)
            async with Client(transport) as client:
                return await work(client)

    return anyio.run(run)


def called(desk: Desk, key: str, tool: str, **arguments: Any) -> Any:
    return asked(desk, key, lambda client: client.call_tool(tool, arguments))


def test_the_tools_only_read_and_say_what_they_answer(desk: Desk) -> None:
    tools = asked(desk, "viewer", lambda client: client.list_tools()).tools
    assert {tool.name for tool in tools} == TOOLS
    for tool in tools:
        assert tool.annotations.read_only_hint
        assert tool.description
        assert tool.output_schema["properties"]


def test_a_search_is_what_the_api_answers_and_each_call_is_audited(desk: Desk) -> None:
    answer = called(desk, "viewer", "search_moments", q="red", limit=5)
    assert not answer.is_error
    assert answer.structured_content == desk.get("/v1/search", q="red", limit=5).json()
    by_agent, outcome = desk.events()[:2]
    assert [by_agent["activity_id"], outcome["status"]] == [4, "Success"]
    assert by_agent["actor"]["user"]["uid"] == "service:acme/viewer"
    moment = answer.structured_content["hits"][0]["moment_ids"][0]
    detail = called(desk, "viewer", "get_moment", moment_id=moment).structured_content
    assert detail["moment"]["moment_id"] == moment
    asset = answer.structured_content["hits"][0]["asset_id"]
    status = called(desk, "viewer", "asset_status", tenant="acme", asset_id=asset).structured_content
    assert status == desk.get(f"/v1/assets/acme/{quote(asset, safe='')}", limit=100).json()
    assert called(desk, "viewer", "list_facets", tenant="acme").structured_content["moments"] > 0


def test_what_is_anothers_looks_like_what_never_was(desk: Desk) -> None:
    moment = called(desk, "viewer", "search_moments", q="red").structured_content["hits"][0]["moment_ids"][0]
    hidden, never = (called(desk, "stranger", "get_moment", moment_id=name) for name in (moment, "never"))
    assert hidden.is_error
    assert hidden.content == never.content
    assert hidden.content[0].text.endswith("no_such_thing: There is no such thing.")
    assert desk.events()[-1]["status_code"] == "no_such_thing"


def test_nobody_without_a_key_gets_to_know_the_tools_and_nobody_without_a_role_uses_them(desk: Desk) -> None:
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accepted = {"accept": "application/json, text/event-stream"}
    for key in (None, "rsk_", "nonsense"):
        answer = desk.ask("post", "/mcp", key, json=listing, headers=accepted)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert (desk.events()[-1]["status"], desk.events()[-1]["status_code"]) == ("Denied", "unauthenticated_request")
    refused = called(desk, "auditor", "search_moments", q="red")
    assert refused.is_error
    assert "forbidden" in refused.content[0].text
    assert desk.events()[-1]["status"] == "Denied"


def test_what_a_tool_cannot_take_is_said_without_what_was_sent(desk: Desk) -> None:
    refused = called(desk, "viewer", "search_moments", q="secret words", label=["x" * 300])
    assert refused.is_error
    assert "bad_label" in refused.content[0].text
    assert "secret" not in refused.content[0].text


def test_without_the_option_there_is_no_such_address(stores: Path, tmp_path: Path) -> None:
    with opened(stores, tmp_path) as plain:
        plain.give("viewer", AccessRole.VIEWER)
        assert plain.ask("post", "/mcp", json={}).status_code == 404

"""The whole API by its own document: whatever is sent, by whoever, is answered as documented and never by a defect."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPResponse
from typing import Any

import pytest
import schemathesis
import schemathesis.specs.openapi.checks as openapi_checks
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok

from stream.access.actions import AccessRole
from stream.service import bounded_requests
from stream.service.uploads.tus import CHUNK_TYPE
from stream.service.uploads.uploads import UploadLimits
from stream.sessions.background_process import BackgroundProcess
from tests.support.service_desk import Desk, opened, two_tenants

CHECKS = [
    not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
]
schemathesis.serializer.alias(CHUNK_TYPE, "application/octet-stream")
HEADERS = {"x-content-type-options": ["nosniff"], "referrer-policy": ["no-referrer"],
           "cross-origin-resource-policy": ["same-origin"]}  # fmt: skip


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    root = tmp_path_factory.mktemp("contract")
    # Its clock stands still, so that a limit of requests would never end.
    with (
        # There is no dead letter, so it never has to start anything.
        closing(BackgroundProcess(["false"])) as background,
        opened(
            two_tenants(root),
            root / "own",
            background=background,
            uploads=UploadLimits(1 << 20, 1 << 30),
            rate=1_000_000.0,
        ) as found,
    ):
        for role in AccessRole:
            found.give(str(role), role)
        yield found


# Few for each role: what is refused before the route runs is the same for all of them.
@pytest.mark.parametrize(
    ("who", "examples"), [(None, 1), *((role, 3 if role is AccessRole.ADMIN else 1) for role in AccessRole)]
)
def test_every_answer_is_one_that_the_document_has(desk: Desk, who: AccessRole | None, examples: int) -> None:
    headers = {} if who is None else {"authorization": f"Bearer {desk.keys[str(who)]}"}
    schema = schemathesis.openapi.from_dict(desk.client.get("/openapi.json").json())
    asked = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        for mode in schemathesis.GenerationMode:
            if mode.is_negative and not any((operation.query, operation.path_parameters, operation.body)):
                continue  # there is nothing to get wrong

            @settings(
                max_examples=examples,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(operation.as_strategy(generation_mode=mode))
            def answered(case: Any) -> None:
                nonlocal asked
                asked += 1
                answer = case.call(base_url=str(desk.client.base_url), headers=headers)
                case.validate_response(answer, checks=CHECKS)
                assert {name: answer.headers[name] for name in HEADERS} == HEADERS

            answered()
    assert asked >= 20


def connected(desk: Desk) -> socket.socket:
    url = desk.client.base_url
    return socket.create_connection((url.host, url.port or 80), timeout=30)


@pytest.mark.parametrize("first", [b"", b"GET /v1/me HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"GET /healthz HTTP/1.1\r\n"])
def test_who_does_not_finish_a_head_is_disconnected(desk: Desk, monkeypatch: pytest.MonkeyPatch, first: bytes) -> None:
    monkeypatch.setattr(bounded_requests, "HEAD_WITHIN_S", 0.2)
    with connected(desk) as slow:
        slow.sendall(first)
        assert slow.recv(1) == b""
    with connected(desk) as kept:
        # One that has been answered may wait, but not begin another and stop.
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept.recv(12) == b"HTTP/1.1 200"
        while not kept.recv(4_096).endswith(b"ok\n"):
            pass
        kept.sendall(b"GET /healthz HT")
        assert kept.recv(1) == b""


def test_a_body_that_never_ends_is_cut_off(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_requests, "BODY_WITHIN_S", 0.2)
    with connected(desk) as slow:
        slow.sendall(b"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12")
        assert slow.recv(12) == b"HTTP/1.1 408"


@pytest.mark.parametrize(
    "head",
    [
        b"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PATCH /v1/uploads/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
    ],
)
def test_what_a_proxy_may_read_otherwise_is_refused_with_all_that_follows(desk: Desk, head: bytes) -> None:
    with connected(desk) as smuggling:
        smuggling.sendall(head + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        told = b""
        while part := smuggling.recv(4_096):
            told += part
    assert told.startswith(b"HTTP/1.1 400")
    assert told.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("head", [b"GARBAGE", b"GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b"])
def test_what_is_no_request_is_told_so_as_every_other(desk: Desk, head: bytes) -> None:
    with connected(desk) as nonsense:
        nonsense.sendall(head + b"\r\n\r\n")
        answer = HTTPResponse(nonsense)
        answer.begin()
        told = json.loads(answer.read())
    assert (answer.status, told["status"], told["code"]) == (400, 400, "invalid_request")
    assert answer.headers["content-type"] == "application/problem+json"
    assert {name: [answer.headers[name]] for name in HEADERS} == HEADERS


def test_no_answer_leads_to_the_host_that_a_request_names(desk: Desk) -> None:
    for path in ("/sign-in/", "/v1/search/?q=red", "/assets/", "/v1/assets/acme/"):
        answer = desk.ask("GET", path, "admin", headers={"host": "evil.example"})
        assert (answer.status_code, answer.headers.get("location")) == (404, None), path


@pytest.mark.parametrize("path", ["/v1/search", "/sign-in", "/v1/me", "/nowhere"])
def test_large_bodies_and_heads_are_refused(desk: Desk, path: str) -> None:
    body = b"x" * (bounded_requests.MOST_BODY_BYTES + 1)
    assert desk.client.post(path, content=body).status_code == 413
    assert desk.client.post(path, content=iter([body[:1000]] * 300)).status_code == 413
    with connected(desk) as large:
        large.sendall(b"GET " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * (64 << 10))
        assert large.recv(12) == b"HTTP/1.1 400"
    assert desk.client.get("/healthz").status_code == 200

"""Who sends or takes what they should not: others are answered all the same, and the trail stays small and true."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from stream.access.actions import AccessRole
from stream.audit.files import event_files
from stream.audit.journal import Journal
from stream.audit.keys import make_key
from stream.audit.ocsf import AccessSubject, Activity, Actor, ActorKind, Origin
from stream.audit.recorder import Recorder
from stream.cli.context import UsageProblem
from stream.cli.options.proxies import proxies_of
from stream.clock import ManualClock
from stream.events.ids import MAX_ID_BYTES
from stream.service import bounded_requests
from stream.service.limits import RequestLimits
from stream.service.places import Places
from stream.service.problems import Problem
from stream.service.saved_searches import SavedSearches
from stream.service.server import server_of
from tests.support.service_desk import Desk, opened


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with opened(tmp_path / "state", tmp_path, rate=1.0, agents=True) as found:
        found.give("viewer", AccessRole.VIEWER)
        yield found


@pytest.mark.parametrize("path", ["/v1/exports", "/v1/access/acme/grants", "/mcp", "/sign-in"])
def test_a_body_that_calls_itself_a_picture_is_bounded_where_none_is_taken(desk: Desk, path: str) -> None:
    body = b"x" * (bounded_requests.MOST_BODY_BYTES + 1)
    assert desk.client.post(path, content=body, headers={"content-type": "image/png"}).status_code == 413


def test_agents_cannot_hold_streams(desk: Desk) -> None:
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2026-07-28"}
    refused = desk.ask("GET", "/mcp", headers=headers)
    assert (refused.status_code, refused.headers["allow"], refused.json()["status"]) == (405, "POST", 405)
    told = "io.modelcontextprotocol/"
    meta = {f"{told}protocolVersion": "2026-07-28", f"{told}clientInfo": {"name": "a", "version": "1"}}
    asked = {"notifications": {"toolsListChanged": True}, "_meta": meta | {f"{told}clientCapabilities": {}}}
    listen = {"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": asked}
    answer = desk.ask("POST", "/mcp", headers=headers | {"mcp-method": "subscriptions/listen"}, json=listen)
    # A stream would never end, and this call with it.
    assert "error" in answer.text


def test_strangers_cannot_fill_the_trail(desk: Desk) -> None:
    statuses = [desk.get("/v1/search", None, q="x").status_code for _ in range(14)]
    assert statuses == [401] * 10 + [429] * 4
    form = {"origin": str(desk.client.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
    for path, headers in (("/sign-in", form), ("/sign-in", {})):
        assert desk.ask("POST", path, None, data={"key": "rsk_no"}, headers=headers).status_code == 429
    codes = [event["status_code"] for event in desk.events()]
    assert codes == ["unauthenticated_request"] * 10 + ["too_many_requests"]
    # Who has a key shares nothing with them.
    assert desk.get("/v1/assets", tenant="acme").status_code == 200


def test_a_key_is_tried_nowhere_without_an_event_and_a_limit(desk: Desk) -> None:
    paths = [
        "/v1/me",
        "/v1/me/decision?action=search&tenant=acme&project=red",
        "/",
        "/sign-in",
        "/nowhere",
        "/v1/search?q=x",
    ]
    wrong = {"authorization": "Bearer rsk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}
    desk.give("ended", AccessRole.VIEWER, days=-1)
    ended = {"authorization": f"Bearer {desk.keys['ended']}"}
    told = [desk.ask("GET", "/v1/me", None, headers=headers) for headers in (wrong, ended)]
    assert told[0].content == told[1].content
    # Only the trail tells which key has ended.
    assert [event["actor"].get("session") for event in desk.events()[-2:]] == [None, {"uid": "ended"}]
    assert desk.events()[-1]["actor"]["user"]["uid"] == "anonymous"
    before = len(desk.events())
    assert [desk.ask("GET", path, None, headers=wrong).status_code for path in paths] == [401] * 6
    events = desk.events()[before:]
    assert [event["message"] for event in events] == ["request: signed in"] * 5 + ["search: searched"]
    assert {event["status_code"] for event in events} == {"unauthenticated_request"}
    # Requests whose form is wrong do not tell either, and all count to one limit.
    assert desk.ask("GET", "/v1/me/decision", None, headers=wrong).status_code == 401
    assert {desk.ask("GET", path, None, headers=wrong).status_code for path in paths * 3} == {401, 429}
    assert desk.events()[-1]["status_code"] == "too_many_requests"
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        assert desk.ask("GET", path, None, headers=wrong).status_code == 200
    count = len(desk.events())
    assert desk.get("/v1/me").status_code == 200
    assert len(desk.events()) == count


def test_strangers_are_limited_by_their_network() -> None:
    limits = RequestLimits(ManualClock(), 0.1)
    addresses = ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "192.0.2.1", "192.0.2.2", None)
    refused = [address for address in addresses if limits.of_strangers(address) is not None]
    assert refused == ["2001:db8::2"]


def test_the_trail_says_the_address_that_a_request_came_from(desk: Desk, tmp_path: Path) -> None:
    def seen(at: Desk, forwarded: str) -> object:
        at.ask("GET", "/v1/search?q=x", None, headers={"x-forwarded-for": forwarded})
        return at.events()[-1].get("src_endpoint")

    # Nobody said that there is a proxy.
    assert seen(desk, "192.0.2.1") == {"ip": "127.0.0.1"}
    with opened(tmp_path / "state", tmp_path / "other", public_url="https://search.example.com") as proxied:
        assert seen(proxied, "192.0.2.1") == {"ip": "192.0.2.1"}
        assert "blue" not in str([seen(proxied, text) for text in ("a blue car", "fe80::1%blue")])


@pytest.mark.parametrize(
    ("named", "public", "counts"),
    [
        (None, None, ()),
        (None, "https://search.example.com", ("127.0.0.1", "::1")),
        (["192.0.2.7", "10.0.0.1/8"], "https://search.example.com", ("192.0.2.7/32", "10.0.0.0/8")),
        (["::1"], None, ("::1/128",)),
    ],
)
def test_whose_word_counts_for_who_asks(named: list[str] | None, public: str | None, counts: tuple[str, ...]) -> None:
    assert proxies_of(named, public) == counts
    with pytest.raises(UsageProblem, match=r"--proxy \*: IP addresses"):
        proxies_of(["*"], public)


def test_nobody_holds_all_places() -> None:
    places = Places(3, 2)
    with ExitStack() as held:
        for holder in ("a", "a", "b"):
            held.enter_context(places.one(holder))
        for holder in ("a", "c"):
            with pytest.raises(Problem) as busy, places.one(holder):
                pass
            assert busy.value.status == 503
    with places.one("c"), places.one("a"), pytest.raises(Problem), places.one("a"), places.one("a"):
        pass


@contextmanager
def answering(app: ASGIApp) -> Iterator[socket.socket]:
    """A connection to a server of `app`."""
    server = server_of(app)
    with socket.create_server(("127.0.0.1", 0)) as at:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [at]})
        thread.start()
        try:
            with socket.socket() as client:
                # Small, so that little of an answer is on its way.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.connect(at.getsockname())
                yield client
        finally:
            server.should_exit = True
            thread.join(60)


def test_who_comes_while_all_places_are_taken_is_told_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.service.server.MOST_CONNECTIONS", 2)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await PlainTextResponse("ok")(scope, receive, send)

    def asked(at: socket.socket) -> HTTPResponse:
        at.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = HTTPResponse(at)
        answer.begin()
        return answer

    with answering(app) as first:
        assert asked(first).status == 200
        with socket.create_connection(first.getpeername(), timeout=30) as second:
            refused = asked(second)
            told = json.loads(refused.read())
            assert (refused.status, told["code"], refused.headers["retry-after"]) == (503, "busy", "5")
            assert refused.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("more", [True, False])
def test_who_does_not_take_an_answer_is_disconnected(monkeypatch: pytest.MonkeyPatch, more: bool) -> None:
    monkeypatch.setattr(bounded_requests, "TAKEN_WITHIN_S", 0.2)
    gone = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(32 << 20), "more_body": more})
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    with answering(app) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"
        assert gone.wait(30)


def test_nobody_fills_the_file_of_saved_searches_for_others(tmp_path: Path) -> None:
    saved = SavedSearches(tmp_path, most_bytes=1 << 20)
    saved.put("a person", "mine", {"q": "red"})
    # Each character has six in the file.
    long = {"q": "\N{GREEK SMALL LETTER ALPHA}" * 20_000}
    refused = 0
    for caller in range(8):
        for name in "abc":
            try:
                saved.put(f"caller {caller}", name, long)
            except Problem as problem:
                assert problem.code == "too_many_saved_searches"
                refused += 1
    assert len(saved.of("caller 0")) == 2
    assert refused > 8
    assert saved.of("a person") == {"mine": {"q": "red"}}
    assert saved.remove("a person", "mine")
    assert saved.remove("caller 0", "a")
    saved.put("a person", "again", long)


@pytest.mark.parametrize("letter", ["x", "\N{GREEK SMALL LETTER ALPHA}", "\N{GRINNING FACE}"])
def test_an_export_of_assets_with_long_ids_names_all_of_them(tmp_path: Path, letter: str) -> None:
    size = MAX_ID_BYTES // len(letter.encode()) - 3
    names = tuple(f"{number:03}" + letter * size for number in range(200))
    key = tmp_path / "key"
    journal = Journal(tmp_path / "trail", make_key(key, "rushes/service"))
    journal.open()
    try:
        recorder = Recorder(journal, ManualClock(), "0.1.0")
        subject, actor = AccessSubject("export", "acme"), Actor("somebody", ActorKind.PERSON)
        with recorder.access(Activity.EXPORTED, subject, actor, Origin(ip="127.0.0.1")) as access:
            access.resources, access.count = names, len(names)
    finally:
        journal.close()
    lines = [line for path in event_files(tmp_path / "trail") for line in path.read_bytes().splitlines()[1:]]
    admitted, *ended = map(json.loads, lines)
    assert sorted(each["uid"] for event in ended for each in event["resources"]) == sorted(names)
    assert [event.get("count") for event in ended] == [len(names)] + [None] * (len(ended) - 1)
    assert {event["metadata"]["correlation_uid"] for event in ended} == {admitted["metadata"]["uid"]}

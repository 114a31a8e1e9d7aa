"""Writes with an `Idempotency-Key`: sent again they are answered as before, and done once; each route takes one."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from stream.access.actions import AccessRole
from stream.access.records import Grant
from stream.audit.keys import read_key, secret_of
from stream.clock import ManualClock
from stream.identity.browser_sessions import BrowserSessions, SignedIn
from stream.service.kept_answers import FILE, KEPT_MS, LEAST_COUNTED_BYTES, KeptAnswer, KeptAnswers, WriteName
from stream.service.problems import Problem
from stream.service.repeatable_writes import WriteClaims, is_repeatable
from stream.service.uploads.uploads import UploadLimits
from tests.support.service_desk import NOW_MS, Desk, TakenWork, opened
from tests.support.service_routes import ROUTES, filled

KEY = {"idempotency-key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
WITHOUT = {("post", "/v1/search"), ("post", "/v1/exports"), ("patch", "/v1/uploads/{upload_id}")}
BOSS = "oidc:https://idp.example#boss"


@contextmanager
def serving(root: Path, now_ms: int = NOW_MS) -> Iterator[Desk]:
    limits = UploadLimits(1 << 20, 1 << 30)
    with opened(root / "state", root, now_ms=now_ms, background=TakenWork(), uploads=limits) as found:
        for name in ("admin", "other"):
            for role in (AccessRole.ADMIN, AccessRole.OPERATOR):
                found.give(name, role, days=2)
        yield found


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with serving(tmp_path) as found:
        yield found


def begin(desk: Desk, key: str = "admin", length: int = 9, headers: dict[str, str] = KEY) -> Any:
    said = {"upload-length": str(length), "tus-resumable": "1.0.0"} | headers
    return desk.ask("post", "/v1/uploads", key, params={"tenant": "acme"}, headers=said)


def uploads(desk: Desk, key: str = "admin") -> int:
    return len(desk.get("/v1/uploads", key).json()["uploads"])


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_repeat_is_answered_as_before_and_done_once_also_by_another_process(tmp_path: Path) -> None:
    with serving(tmp_path) as desk:
        first, again = begin(desk), begin(desk, headers={"idempotency-key": f'"{KEY["idempotency-key"]}"'})
        assert first.status_code == 201
        assert "idempotency-replayed" not in first.headers
        assert (again.status_code, again.content, again.headers["idempotency-replayed"]) == (201, first.content, "true")
        for name in ("location", "content-type", "tus-resumable", "upload-offset", "content-length"):
            assert again.headers[name] == first.headers[name]
        named = {answer.headers["x-request-id"] for answer in (first, again)}
        events = [event for event in desk.events() if event["metadata"]["correlation_uid"] in named]
        # Each is an access of its own.
        assert Counter(event["status"] for event in events) == {"Admitted": 2, "Success": 2}
        assert code(begin(desk, length=8)) == (422, "idempotency_key_reused")
        assert uploads(desk) == 1
        assert begin(desk, "other").json()["upload_id"] != first.json()["upload_id"]
    with serving(tmp_path, NOW_MS + 1_000) as desk:
        assert begin(desk).content == first.content
        assert uploads(desk) == 1
    with serving(tmp_path, NOW_MS + KEPT_MS) as desk:
        assert begin(desk).json()["upload_id"] != first.json()["upload_id"]


def test_of_many_at_once_one_is_done(desk: Desk) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: begin(desk), range(16)))
    assert uploads(desk) == 1
    told = {(answer.status_code, answer.json().get("code")) for answer in answers}
    assert (201, None) in told
    assert told <= {(201, None), (409, "write_in_flight")}


def test_what_was_refused_can_be_sent_again(desk: Desk) -> None:
    team = "/v1/access/acme/teams/cutters"
    assert desk.ask("delete", team, "admin", headers=KEY).status_code == 404
    assert desk.ask("put", team, "admin", json={"members": []}).status_code == 200
    for replayed in (None, "true"):
        gone = desk.ask("delete", team, "admin", headers=KEY)
        assert (gone.status_code, gone.content, gone.headers.get("idempotency-replayed")) == (204, b"", replayed)


def test_a_secret_is_shown_once_and_kept_nowhere(desk: Desk, tmp_path: Path) -> None:
    desk.register.put(Grant(tenant="acme", role=AccessRole.ADMIN, holder=BOSS, given_by="os:root", given_at_ms=NOW_MS))
    with closing(BrowserSessions(tmp_path / "sessions.db", desk.clock)) as sessions:
        secret = sessions.begin(SignedIn(BOSS))
        found = sessions.find(secret)
    assert found is not None
    boss = {"cookie": f"rushes={secret}", "x-csrf-token": found.token, "sec-fetch-site": "same-origin"} | KEY
    asked = {"owner": "newsroom", "project": "red"}
    made, again = (desk.ask("post", "/v1/access/acme/keys", None, headers=boss, json=asked) for _ in range(2))
    assert made.status_code == 201
    assert code(again) == (409, "answer_not_kept")
    assert made.json()["key_id"] in again.json()["detail"]
    assert made.json()["key"] not in again.text
    owners = [key["owner"] for key in desk.get("/v1/access/acme", "admin").json()["keys"]]
    assert owners.count("newsroom") == 1
    stored = b"".join(path.read_bytes() for path in tmp_path.glob(f"{FILE}*"))
    assert stored
    assert made.json()["key"].encode() not in stored


def claimed(desk: Desk, root: Path, method: str, path: str) -> None:
    """The write is at work, for a process that has just begun it."""
    with closing(KeptAnswers(root / FILE, desk.clock)) as answers:
        claims = WriteClaims(answers, secret_of(read_key(desk.trail.with_name(f"{desk.trail.name}.key"))))
        who, address = b"service:acme/admin", f"{method.upper()} {path}".encode()
        name = claims.digest_of((who, address, KEY["idempotency-key"].encode()))
        answers.claim(WriteName(name, claims.digest_of((who,)), b""))
    # The digest of a request that only the service sees.
    with closing(sqlite3.connect(root / FILE)) as file, file:
        file.execute("UPDATE writes SET digest = ''")


def test_every_write_takes_a_key_and_is_claimed(desk: Desk, tmp_path: Path) -> None:
    document = desk.client.get("/openapi.json").json()
    writes = {named for named in ROUTES if named[0] not in {"get", "head"}}
    assert {(method, path) for method, path in writes if not is_repeatable(method.upper(), path)} == WITHOUT
    for method, path in writes:
        operation = document["paths"][path][method]
        takes = any(item["name"] == "Idempotency-Key" for item in operation.get("parameters", []))
        assert takes != ((method, path) in WITHOUT), (method, path)
    for method, path in writes - WITHOUT:
        claimed(desk, tmp_path, method, filled(path))
        rest = dict(ROUTES[method, path].rest)
        headers = {**rest.pop("headers", {}), **KEY}
        # Another digest: only who looks the key up can say so.
        answer = desk.ask(method, filled(path), "admin", headers=headers, **rest)
        assert code(answer) == (422, "idempotency_key_reused"), (method, path)


def test_what_a_service_had_begun_when_it_ended_is_not_done_again(tmp_path: Path) -> None:
    clock, write = ManualClock(NOW_MS), WriteName(b"name", b"who", b"digest")
    with closing(KeptAnswers(tmp_path / FILE, clock)) as before:
        assert before.claim(write) is None
        with pytest.raises(Problem, match="at work") as told:
            before.claim(write)
        assert told.value.headers["retry-after"]
    with closing(KeptAnswers(tmp_path / FILE, clock)) as after:
        after.end_begun()
        with pytest.raises(Problem, match="cut off"):
            after.claim(write)


@pytest.mark.parametrize("key", ["", '"', "a b", "x" * 256, '"a";p=1', "ä".encode("latin-1")])
def test_what_is_no_key_is_refused(desk: Desk, key: Any) -> None:
    assert code(begin(desk, headers={"idempotency-key": key})) == (400, "invalid_idempotency_key")
    assert uploads(desk) == 0


def test_who_keeps_most_loses_the_oldest_answer(tmp_path: Path) -> None:
    clock = ManualClock(NOW_MS)
    with closing(KeptAnswers(tmp_path / FILE, clock, most_bytes=5 * LEAST_COUNTED_BYTES)) as answers:
        for who, number in [(b"few", 0), *((b"many", number) for number in range(5))]:
            write = WriteName(who + bytes([number]), who, b"")
            assert answers.claim(write) is None
            answers.keep(write, KeptAnswer(204, (), b""))
            clock.advance(1)
        kept = [answers.claim(WriteName(name, name[:-1], b"")) for name in (b"few\0", b"many\4", b"many\0")]
    assert kept == [KeptAnswer(204, (), b""), KeptAnswer(204, (), b""), None]

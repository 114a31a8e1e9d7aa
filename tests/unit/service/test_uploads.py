"""Uploads: resumed where they were cut off, kept apart by tenant, bounded, and published once they are whole."""

import base64
import hashlib
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings, published, run_events
from benchmarks.testbed.waiting import wait_for
from stream.access.actions import AccessRole
from stream.access.api_keys import digest_of, new_key
from stream.access.records import ApiKey
from stream.cli.options.chosen_models import remember_models
from stream.events.tenants import TenantRegistered
from stream.pipelines.settings import ModelChoice
from stream.pipelines.source_policies import SourcePolicies
from stream.service.problems import Problem
from stream.service.uploads import receiving
from stream.service.uploads.register import UploadRegister, UploadState
from stream.service.uploads.tus import metadata, number, shown_name
from stream.service.uploads.uploads import UploadLimits
from stream.sessions.background_process import BackgroundProcess
from stream.sessions.tenant_register import write_tenants
from stream.topology.tenants import Tenants
from tests.support.kept_work import KeptWork
from tests.support.service_desk import NOW_MS, Desk, opened

CHUNK = "application/offset+octet-stream"
LIMITS = UploadLimits(most_bytes=100_000, tenant_bytes=150_000)


@pytest.fixture
def background() -> KeptWork:
    return KeptWork()


@pytest.fixture
def desk(tmp_path: Path, background: KeptWork) -> Iterator[Desk]:
    with opened(tmp_path / "state", tmp_path / "own", background=background, uploads=LIMITS) as found:
        yield given(found)


def given(desk: Desk) -> Desk:
    desk.give("editor", AccessRole.EDITOR, days=3)
    desk.give("colleague", AccessRole.EDITOR)
    desk.give("of a project", AccessRole.EDITOR, project="news")
    desk.give("viewer", AccessRole.VIEWER)
    desk.give("stranger", AccessRole.EDITOR, "globex")
    return desk


def begun(desk: Desk, size: object, key: str = "editor", **rest: Any) -> httpx.Response:
    said = {name: rest.pop(name) for name in ("filename", "sha256") if name in rest}
    pairs = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in said.items())
    headers = {"upload-length": str(size), "upload-metadata": pairs, **rest.pop("headers", {})}
    return desk.ask("POST", "/v1/uploads", key, params={"tenant": "acme", **rest}, headers=headers)


def sent(desk: Desk, path: str, offset: object, data: bytes, key: str = "editor", **headers: str) -> httpx.Response:
    told = {
        "content-type": CHUNK,
        "upload-offset": str(offset),
        **{name.replace("_", "-"): headers[name] for name in headers},
    }
    return desk.ask("PATCH", path, key, content=data, headers=told)


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def test_an_upload_is_resumed_and_published_once(tmp_path: Path, desk: Desk, background: KeptWork) -> None:
    data = bytes(range(256)) * 20
    digest = hashlib.sha256(data).hexdigest()
    answer = begun(desk, len(data), filename="../../etc/Cron d\n.mp4", sha256=digest, label=["show=pilot"])
    assert (answer.status_code, answer.headers["tus-resumable"], answer.headers["upload-offset"]) == (201, "1.0.0", "0")
    path = answer.headers["location"]
    first = base64.b64encode(hashlib.sha256(data[:1000]).digest()).decode()
    assert sent(desk, path, 0, data[:1000], upload_checksum=f"sha256 {first}").headers["upload-offset"] == "1000"
    # Other bytes than announced do not count.
    assert sent(desk, path, 1000, data[1000:2000], upload_checksum=f"sha256 {first}").status_code == 460
    assert sent(desk, path, 0, data).json()["code"] == "other_upload_offset"
    assert desk.ask("HEAD", path, "editor").headers["upload-offset"] == "1000"
    assert not background.publications
    assert sent(desk, path, 1000, data[1000:]).status_code == 204
    # Whoever did not hear the answer may send nothing again.
    assert sent(desk, path, len(data), b"").status_code == 204
    (publication,) = background.publications
    event = publication.event()
    assert (event.tenant, event.project, event.id) == ("acme", "default", path.rpartition("/")[2])
    assert event.subject == f"uploads/{event.id}/Cron d_.mp4"
    assert publication.labels == {"show": "pilot"}
    stored = Path(publication.uri)
    assert (stored.read_bytes(), stored.name) == (data, event.id)
    assert files(tmp_path / "own" / "uploads") == [stored]
    found = desk.get(path, "editor").json()
    assert (found["state"], found["received_bytes"], found["name"]) == ("published", len(data), "Cron d_.mp4")
    assert desk.ask("DELETE", path, "editor").json()["code"] == "upload_complete"
    said = [(event["message"], event["status"]) for event in desk.events()]
    assert said.count(("upload publish: published", "Success")) == 1
    assert not [event for event in desk.events() if "Cron" in str(event)]


def test_it_is_nobody_elses(desk: Desk, background: KeptWork) -> None:
    path = begun(desk, 10).headers["location"]
    for key in ("colleague", "stranger"):
        for method in ("GET", "PATCH", "DELETE"):
            other = desk.ask(method, path, key)
            never = desk.ask(method, "/v1/uploads/never", key)
            assert (other.status_code, other.json()) == (404, never.json())
        assert desk.ask("HEAD", path, key).status_code == 404
        assert desk.get("/v1/uploads", key).json() == {"uploads": []}
    # Another tenant looks like one that is not there.
    assert begun(desk, 10, "stranger").json() == begun(desk, 10, "stranger", tenant="nobody").json()
    refused = begun(desk, 10, "of a project")
    assert (refused.status_code, "name one where they may: " in refused.json()["detail"]) == (403, True)
    assert begun(desk, 10, "of a project", project="news").status_code == 201
    assert begun(desk, 10, "viewer").status_code == 403
    desk.keys["news alone"] = new_key()
    narrow = ApiKey(
        key_id="narrow",
        tenant="acme",
        owner="editor",
        digest=digest_of(desk.keys["news alone"], desk.register.pepper()),
        project="news",
        until_ms=NOW_MS + 1_000,
        made_by="os:root",
        made_at_ms=NOW_MS,
    )
    desk.register.put(narrow)
    # Of the same program, and yet it may do nothing there.
    assert [desk.ask(method, path, "news alone").status_code for method in ("GET", "HEAD", "DELETE")] == [404] * 3
    ours = begun(desk, 10, project="news").json()["upload_id"]
    assert [each["upload_id"] for each in desk.get("/v1/uploads", "news alone").json()["uploads"]] == [ours]
    assert len(desk.get("/v1/uploads", "editor").json()["uploads"]) == 2
    # A role that was taken meanwhile ends it.
    (grant,) = [
        each
        for each in desk.register.register().records("acme")
        if getattr(each, "holder", "") == "service:acme/editor"
    ]
    desk.register.take(grant.key)
    assert sent(desk, path, 0, b"x" * 10).status_code == 403
    assert not background.publications


def test_uploads_of_a_tenant_are_sources_of_that_tenant_alone(tmp_path: Path, desk: Desk, background: KeptWork) -> None:
    path = begun(desk, 3).headers["location"]
    sent(desk, path, 0, b"abc")
    (publication,) = background.publications
    limited = TenantRegistered(tenant="acme", sources=("/elsewhere",))
    for known in (Tenants(), Tenants([limited])):
        policies = SourcePolicies(light_settings(tmp_path / "own"), known)
        assert str(Path(publication.uri).parent) in policies("acme").roots
        assert not set(map(str, Path(publication.uri).parents)) & set(policies("globex").roots)


def test_what_a_tenant_agreed_on_holds_for_uploads(tmp_path: Path, desk: Desk, background: KeptWork) -> None:
    write_tenants(tmp_path / "own", [TenantRegistered(tenant="acme", projects=("news",), regions=("eu",))])
    assert begun(desk, 3).json()["code"] == "project_not_allowed"
    sent(desk, begun(desk, 3, project="news").headers["location"], 0, b"abc")
    assert [each.region for each in background.publications] == ["eu"]


def test_what_is_whole_is_published_after_an_interruption(tmp_path: Path, background: KeptWork) -> None:
    """The workers are away when the last byte comes, and the service ends; before, another one ended before it had
    stored a whole part.
    """
    own = tmp_path / "own"
    with opened(tmp_path / "state", own, background=background, uploads=LIMITS) as found:
        desk = given(found)
        keys, paths = desk.keys, [begun(desk, 3).headers["location"] for _ in range(2)]
        background.away = True
        assert sent(desk, paths[0], 0, b"abc").status_code == 503
        assert desk.get(paths[0], "editor").json()["state"] == "stored"
        assert sent(desk, paths[1], 0, b"abc").status_code == 503
    # The second as it is before its part is made a whole file.
    upload_id = paths[1].rpartition("/")[2]
    (moved,) = [path for path in files(own / "uploads") if path.name == upload_id]
    moved.rename(own / "uploads" / ".parts" / f"{upload_id}.part")
    with closing(UploadRegister(own / "uploads.db")) as register:
        register.become(upload_id, UploadState.RECEIVING, NOW_MS)
    background.away = False
    with opened(tmp_path / "state", own, background=background, uploads=LIMITS) as again:
        again.keys.update(keys)
        wait_for(lambda: len(background.publications) == 2, "both are published")
        assert [Path(each.uri).read_bytes() for each in background.publications] == [b"abc"] * 2
        states = [again.get(path, "editor").json()["state"] for path in paths]
    assert states == ["published"] * 2
    with opened(tmp_path / "state", own, background=background, uploads=LIMITS) as third:
        third.keys.update(keys)
        assert third.get(paths[0], "editor").json()["state"] == "published"
    assert len(background.publications) == 2


def test_a_file_that_changed_on_the_way_is_refused(tmp_path: Path, desk: Desk, background: KeptWork) -> None:
    path = begun(desk, 3, sha256="0" * 64).headers["location"]
    assert sent(desk, path, 0, b"abc").json()["code"] == "checksum_mismatch"
    assert desk.ask("HEAD", path, "editor").status_code == 410
    assert desk.get(path, "editor").json()["state"] == "refused"
    assert (background.publications, files(tmp_path / "own" / "uploads")) == ([], [])


def test_what_is_refused_leaves_no_bytes(tmp_path: Path, desk: Desk, background: KeptWork) -> None:
    background.refused = "other_tenants_source"
    path = begun(desk, 3).headers["location"]
    assert sent(desk, path, 0, b"abc").status_code == 204
    told = desk.get(path, "editor").json()
    assert (told["state"], told["code"]) == ("refused", "other_tenants_source")
    assert files(tmp_path / "own" / "uploads") == []


def test_uploads_are_bounded_and_expire(tmp_path: Path, desk: Desk) -> None:
    assert begun(desk, LIMITS.most_bytes + 1).json()["code"] == "large_upload"
    first, second = begun(desk, 100_000).headers["location"], begun(desk, 1_000).headers["location"]
    assert begun(desk, 100_000).json()["code"] == "tenant_uploads_full"
    assert begun(desk, 100_000, "stranger", tenant="globex").status_code == 201
    assert sent(desk, second, 0, b"x" * 1_001).status_code == 413
    assert sent(desk, second, 0, b"x" * 400).status_code == 204
    assert desk.ask("DELETE", first, "editor").status_code == 204
    assert desk.ask("DELETE", first, "editor").status_code == 404
    assert begun(desk, 100_000).status_code == 201
    desk.clock.advance(25 * 3_600)
    assert sent(desk, second, 400, b"x").status_code == 404


def test_what_nobody_goes_on_with_is_removed(tmp_path: Path, background: KeptWork) -> None:
    own = tmp_path / "own"
    with opened(tmp_path / "state", own, background=background, uploads=LIMITS) as found:
        begun(given(found), 10)
        assert len(files(own / "uploads")) == 1
        now_ms = found.clock.now_ms()
    with opened(tmp_path / "state", own, background=background, uploads=LIMITS, now_ms=now_ms + 25 * 3_600_000):
        wait_for(lambda: not files(own / "uploads"), "its part is removed")


def test_a_full_disk_refuses(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    path = begun(desk, 10).headers["location"]

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.pwrite", full)
        assert sent(desk, path, 0, b"x" * 10).json()["code"] == "no_room_for_upload"
        patched.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
        assert begun(desk, 10).status_code == 507
    assert sent(desk, path, 0, b"x" * 10).status_code == 204


@pytest.mark.parametrize("text", ["", "-1", "+5", " 5 ", "5_0", "1e3", "0x10", "\u0665", "9" * 19, "05"])
def test_numbers_are_read_strictly(text: str) -> None:
    with pytest.raises(Problem) as refused:
        number({"upload-length": text}, "upload-length")
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "text", ["filename", "filename !!", "filename YQ==,filename YQ==", "a b c", "filename /w==", "x" * 5000]
)
def test_metadata_is_read_strictly(text: str) -> None:
    if text == "filename":
        assert metadata({"upload-metadata": text}) == {"filename": ""}
        return
    with pytest.raises(Problem):
        metadata({"upload-metadata": text})


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a b.mov", "a b.mov"),
        ("..", "upload"),
        ("", "upload"),
        ("a/", "a"),
        ("\u202egpj.mp4\x00\n<b>", "_gpj.mp4___b_"),
        ("Größe äöü.mp4", "Größe äöü.mp4"),
        (".mp4" * 100, ".mp4" * 100),
    ],
)
def test_names_are_shown_and_lead_nowhere(given: str, shown: str) -> None:
    found = shown_name(given)
    assert found == shown or len(found.encode()) <= 150
    assert "/" not in found
    assert not found.startswith(".")


@pytest.mark.parametrize(
    "header", ["upload-length", "upload-offset", "content-type", "tus-resumable", "upload-checksum"]
)
def test_hostile_headers_are_refused(desk: Desk, header: str) -> None:
    wrong = "-1"
    path = begun(desk, 10).headers["location"]
    if header in {"upload-length", "tus-resumable"}:
        assert begun(desk, 10, headers={header: wrong}).status_code in {400, 412}
    if header != "upload-length":
        told = {"content-type": CHUNK, "upload-offset": "0", header: wrong}
        assert desk.ask("PATCH", path, "editor", content=b"x" * 10, headers=told).status_code in {400, 412, 415}
    assert desk.ask("HEAD", path, "editor").headers["upload-offset"] == "0"


def test_a_slow_client_is_ended_and_keeps_what_came(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "WITHIN_S", 0.3)
    path = begun(desk, 10).headers["location"]
    url = desk.client.base_url
    head = f"PATCH {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {desk.keys['editor']}\r\nUpload-Offset: 0\r\n"
    with socket.create_connection((url.host, url.port or 80), timeout=30) as slow:
        slow.sendall(f"{head}Content-Type: {CHUNK}\r\nContent-Length: 10\r\n\r\nabcd".encode())
        assert slow.recv(12) == b"HTTP/1.1 408"
    assert desk.ask("HEAD", path, "editor").headers["upload-offset"] == "4"


def test_without_a_place_there_are_no_uploads(tmp_path: Path) -> None:
    with opened(tmp_path / "state", tmp_path / "own") as found:
        assert begun(given(found), 10).json()["code"] == "no_uploads"


def test_an_upload_is_understood_and_found(tmp_path: Path) -> None:
    state, own = tmp_path / "state", tmp_path / "own"
    clip = write_clip(tmp_path / "clip.mp4", seconds=3, fps=5, scenes=[3.0]).path
    run_events(light_settings(state, tmp_path), [published(clip, tenant="acme")])
    remember_models(state, ModelChoice.light())
    places = {"--state": state, "--cache": tmp_path / "cache", "--uploads": own / "uploads"}
    words = [*(str(word) for pair in places.items() for word in pair), "service-work"]
    data = write_clip(tmp_path / "other.mp4", seconds=4, fps=5, scenes=[1.0, 3.0]).path.read_bytes()
    with (
        closing(BackgroundProcess([sys.executable, "-m", "stream.cli.app", *words])) as background,
        opened(state, own, background=background, uploads=UploadLimits()) as found,
    ):
        desk = given(found)
        path = begun(desk, len(data), filename="other.mp4").headers["location"]
        assert desk.get(path, "editor").json()["asset_known"] is False
        assert sent(desk, path, 0, data).status_code == 204
        wait_for(lambda: bool(desk.get(path, "editor").json()["state"] == "published"), "it is worked on")
        upload = desk.get(path, "editor").json()
        assert upload["asset_known"] is True
        detail = desk.get(upload["asset"], "editor").json()
        assert (detail["asset"]["status"], detail["asset"]["project"]) == ("ready", "default")
        assert desk.get(f"{upload['asset']}/media", "editor").content == data
        assert desk.get(upload["asset"], "stranger").status_code == 404

"""One asset, its moments and its footage over the service: what is told, to whom, and what is written of it."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from PIL import Image

from stream.access.actions import AccessRole
from stream.audit.keys import read_key, secret_of
from stream.audit.recorder import asset_name
from stream.errors import Superseded
from stream.events.tenants import TenantRegistered
from stream.sessions.tenant_register import TENANTS_FILE, write_tenants
from tests.support.service_desk import Desk, opened, two_tenants


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Nothing here changes what it holds."""
    stores = two_tenants(tmp_path_factory.mktemp("assets"))
    with opened(stores, tmp_path_factory.mktemp("own")) as found:
        found.give("viewer", AccessRole.VIEWER)
        found.give("stranger", AccessRole.ADMIN, "globex")
        found.give("operator", AccessRole.OPERATOR)
        found.give("other project", AccessRole.VIEWER, project="another")
        yield found


@pytest.fixture(scope="module")
def asset(desk: Desk) -> dict[str, Any]:
    (found,) = desk.get("/v1/assets", tenant="acme").json()["assets"]
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def clip(asset: dict[str, Any]) -> bytes:
    return Path(asset["asset_id"]).read_bytes()


def test_an_asset_is_shown_as_lanes_over_its_time(desk: Desk, asset: dict[str, Any]) -> None:
    assert "/" in asset["asset_id"]
    assert asset["path"] == f"/v1/assets/acme/{quote(asset['asset_id'], safe='')}"
    found = desk.get(asset["path"]).json()
    assert found["asset"] == asset
    assert found["stages"] == [
        {"stage": stage, "done": 1, "failed": 0, "code": None, "reason": None, "missing_s": []}
        for stage in ("plan", "index")
    ]
    assert found["complete"]
    starts = [moment["times"]["start_s"] for moment in found["moments"]]
    assert starts == sorted(starts)
    assert starts[0] == 0.0
    assert found["shots"][-1]["times"]["end_s"] == found["moments"][-1]["times"]["end_s"] == pytest.approx(3.0)
    assert {tag["label"] for moment in found["moments"] for tag in moment["tags"]} == {
        item["label"] for item in found["tags"]
    }
    assert desk.get(found["moments"][0]["thumbnail"]).content.startswith(b"\xff\xd8")
    # No more than asked, and it says that there is more.
    less = desk.get(asset["path"], limit=1).json()
    assert (len(less["moments"]), less["complete"]) == (1, len(starts) == 1)


def test_a_moment_says_when_it_is_and_what_made_it(desk: Desk, asset: dict[str, Any]) -> None:
    shown = desk.get(asset["path"]).json()
    listed = shown["moments"][0]
    found = desk.get(f"/v1/moments/{listed['moment_id']}", space=shown["space"]).json()
    assert found["moment"] == listed
    assert (found["asset"], found["media"]) == (asset["path"], f"{asset['path']}/media")
    assert {model["role"] for model in found["models"]} >= {"embedding", "tags"}
    assert found["published_at_ms"] > 0
    times = listed["times"]
    assert (times["start"], times["source_start"]) == ("00:00:00.000", None)
    assert times["file_start_s"] == times["start_s"]


def test_facets_count_what_the_caller_may_see(desk: Desk) -> None:
    everything = desk.get("/v1/facets").json()
    count = everything["moments"]
    assert count > 0
    assert everything["complete"]
    assert everything["tenants"] == [{"value": "acme", "count": count}]
    assert everything["projects"] == [{"value": "default", "count": count}]
    assert everything["kinds"] == [{"value": "visual", "count": count}]
    assert sum(band["count"] for band in everything["moderation_nsfw"]) == count
    tags = [facet["count"] for facet in everything["tags"]]
    assert tags == sorted(tags, reverse=True)
    assert 0 < tags[0] <= count
    # All of so few are candidates of any query, so the counts are the same.
    assert desk.get("/v1/facets", q="red").json() == everything
    assert desk.get("/v1/facets", "other project").json()["moments"] == 0
    assert desk.get("/v1/facets", kind="sound").json()["tags"] == []
    assert desk.get("/v1/facets", q="red", like="x").status_code == 400


def test_what_is_anothers_looks_as_if_it_were_not_there(desk: Desk, asset: dict[str, Any]) -> None:
    moment = desk.get(asset["path"]).json()["moments"][0]["moment_id"]
    for key in ("stranger", "other project"):
        for theirs, nobodys in (
            (asset["path"], "/v1/assets/acme/nothing"),
            (f"{asset['path']}/media", "/v1/assets/acme/nothing/media"),
            (f"/v1/moments/{moment}", "/v1/moments/nothing"),
        ):
            one, other = desk.get(theirs, key), desk.get(nobodys, key)
            assert one.status_code == other.status_code == 404, (theirs, key)
            assert one.content == other.content


def test_thumbnails_come_in_one_picture_with_their_times(desk: Desk, asset: dict[str, Any]) -> None:
    shown = desk.get(asset["path"]).json()
    times = desk.get(shown["sprite"])
    assert (times.headers["content-type"], times.headers["cache-control"]) == (
        "text/vtt; charset=utf-8",
        "private, no-cache",
    )
    header, *cues = times.text.strip().split("\n\n")
    assert header == "WEBVTT"
    ranges = [cue.splitlines()[0].split(" --> ") for cue in cues]
    assert [start for start, _ in ranges] == [moment["times"]["start"] for moment in shown["moments"]]
    assert ranges[-1][1] == shown["moments"][-1]["times"]["end"]
    address = cues[0].splitlines()[1]
    picture = desk.get(address.partition("#")[0])
    assert picture.headers["cache-control"] == "private, max-age=31536000, immutable"
    with Image.open(BytesIO(picture.content)) as sheet:
        assert sheet.size == (160 * len(cues), 90)
    assert address.endswith("#xywh=0,0,160,90")
    etag = picture.headers["etag"]
    assert desk.ask("get", shown["sprite"], headers={"if-none-match": etag}).status_code == 304
    # An address that does not name what is in it may lead to something else later.
    plain = desk.get(f"{asset['path']}/sprite.jpg", v="other")
    assert (plain.content, plain.headers["cache-control"]) == (picture.content, "private, no-cache")
    assert desk.get(f"{asset['path']}/sprite.jpg", "stranger").status_code == 404


def test_footage_is_given_in_ranges(desk: Desk, asset: dict[str, Any], clip: bytes) -> None:
    media, size = f"{asset['path']}/media", len(clip)
    whole = desk.get(media)
    assert (whole.status_code, whole.content) == (200, clip)
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["content-disposition"] == "inline"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["cache-control"] == "private, no-cache"
    etag = whole.headers["etag"]
    for asked, start, end in (("0-0", 0, 1), ("5-9", 5, 10), ("-7", size - 7, size), (f"10-{size + 99}", 10, size)):
        part = desk.ask("get", media, headers={"range": f"bytes={asked}", "if-range": etag})
        assert (part.status_code, part.content) == (206, clip[start:end])
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
    behind = desk.ask("get", media, headers={"range": f"bytes={size}-"})
    assert (behind.status_code, behind.headers["content-range"]) == (416, f"bytes */{size}")
    other = desk.ask("get", media, headers={"range": "bytes=5-9", "if-range": '"other"'})
    assert (other.status_code, len(other.content)) == (200, size)
    same = desk.ask("get", media, headers={"if-none-match": f"W/{etag}"})
    assert (same.status_code, same.content) == (304, b"")
    head = desk.ask("head", media, headers={"range": "bytes=5-9"})
    assert (head.status_code, head.headers["content-length"], head.headers["etag"]) == (200, str(size), etag)
    kept = desk.get(media, download="true")
    assert kept.headers["content-disposition"] == "attachment; filename*=UTF-8''acme.mp4"


def test_playing_is_in_the_trail_with_what_was_given_out(desk: Desk, asset: dict[str, Any]) -> None:
    desk.ask("get", f"{asset['path']}/media", headers={"range": "bytes=5-9"})
    admitted, ended = desk.events()[-2:]
    assert [event["message"] for event in (admitted, ended)] == ["media: played"] * 2
    assert (admitted["status"], ended["status"], ended["count"]) == ("Admitted", "Success", 5)
    secret = secret_of(read_key(desk.trail.with_name("audit.key")))
    assert admitted["unmapped"]["resources"] == [asset_name(secret, "acme", asset["asset_id"])]
    # Whose footage it asks for is in the event, and by the rights of who asks it is a denial: there or not.
    for path in (asset["path"], "/v1/assets/acme/never-was"):
        assert desk.get(f"{path}/media", "stranger").status_code == 404
        event = desk.events()[-1]
        assert (event["status"], event["metadata"]["tenant_uid"]) == ("Denied", "acme")
        assert event["status_code"] == "no_such_thing"
    desk.get("/v1/assets/acme/never-was/media")
    assert desk.events()[-1]["status"] == "Failure"
    # An operator works on footage, and does not watch it.
    assert desk.get(f"{asset['path']}/media", "operator").status_code == 403


def test_footage_that_changes_on_the_way_never_looks_whole(
    desk: Desk, asset: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(_: object) -> None:
        raise Superseded("it is another", code="source_changed")

    monkeypatch.setattr("stream.search.footage.Footage.check", changed)
    answer = desk.get(f"{asset['path']}/media")
    assert (answer.status_code, answer.json()["code"]) == (409, "source_changed")
    # With the status sent, only its end can be left out.
    monkeypatch.setattr("stream.service.routes.footage.PIECE_BYTES", 1_000)
    with pytest.raises(httpx.RemoteProtocolError):
        desk.get(f"{asset['path']}/media")
    event = desk.events()[-1]
    assert (event["status"], event["status_code"]) == ("Failure", "source_changed")
    assert event["count"] % 1_000 == 0


def test_footage_that_is_gone_is_told_in_words(desk: Desk) -> None:
    (asset,) = desk.get("/v1/assets", "stranger", tenant="globex").json()["assets"]
    path = Path(asset["asset_id"])
    held = path.read_bytes()
    try:
        path.unlink()
        gone = desk.get(f"{asset['path']}/media", "stranger")
        assert (gone.status_code, gone.json()["code"]) == (410, "not_found")
        assert str(path.parent) not in gone.text
        path.write_bytes(b"")
        assert desk.get(f"{asset['path']}/media", "stranger").json()["code"] == "empty"
        path.write_bytes(held[::-1])
        changed = desk.get(f"{asset['path']}/media", "stranger")
        assert (changed.status_code, changed.json()["code"]) == (409, "source_changed")
        path.unlink()
        path.symlink_to("/etc/hostname")
        assert desk.get(f"{asset['path']}/media", "stranger").json()["code"] == "not_found"
    finally:
        path.unlink()
        path.write_bytes(held)


def test_what_is_no_footage_is_nothing_that_a_browser_shows(
    desk: Desk, asset: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.search.footage.SNIFF_BYTES", 0)
    page = desk.get(f"{asset['path']}/media")
    assert page.headers["content-type"] == "application/octet-stream"
    assert page.headers["content-disposition"].startswith("attachment")


def test_footage_is_played_within_what_its_tenant_may_name_now(asset: dict[str, Any], tmp_path: Path) -> None:
    stores = Path(asset["asset_id"]).parent / "state"
    with opened(stores, tmp_path) as desk:
        desk.give("viewer", AccessRole.VIEWER)
        assert desk.get(f"{asset['path']}/media").status_code == 200
        for sources, status in ((str(tmp_path),), 410), ((str(stores.parent),), 200):
            write_tenants(tmp_path, [TenantRegistered(tenant="acme", sources=sources)])
            assert desk.get(f"{asset['path']}/media").status_code == status
        (tmp_path / TENANTS_FILE).write_text("no list")
        assert desk.get(f"{asset['path']}/media").status_code == 503

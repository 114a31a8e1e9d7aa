"""Searches that are narrowed, sorted and asked with pictures, over the service."""

import json
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from benchmarks.testbed.clips import write_clip
from benchmarks.testbed.runs import light_settings, published, run_events
from models.bundle import MAX_TAGS
from sinks.query.filters import MOST_TAGS
from stream.access.actions import AccessRole
from stream.access.register_file import PEPPER
from tests.support.service_desk import Desk, opened, two_tenants


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Two assets of one tenant, the one with several shots, and one of another. Nothing here changes them."""
    root = tmp_path_factory.mktemp("searching")
    clips = [
        published(write_clip(root / "long.mp4", seconds=24, fps=5, scenes=[8.0, 12.0, 17.0]).path, tenant="acme"),
        published(write_clip(root / "short.mp4", seconds=3, fps=5, scenes=[3.0]).path, tenant="acme"),
        published(write_clip(root / "theirs.mp4", seconds=3, fps=5, scenes=[3.0]).path, tenant="globex"),
    ]
    for clip in clips:
        run_events(light_settings(root / "state", root), [clip])
    with opened(root / "state", tmp_path_factory.mktemp("own")) as found:
        found.give("viewer", AccessRole.VIEWER)
        found.give("stranger", AccessRole.ADMIN, "globex")
        found.give("auditor", AccessRole.AUDITOR)
        yield found


def hits(desk: Desk, key: str = "viewer", **asked: Any) -> list[dict[str, Any]]:
    answer = desk.get("/v1/search", key, **({"q": "red", "group": "moment", "limit": 200} | asked))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["hits"]
    return found


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [hit["moment_ids"][0] for hit in found]


def test_filters_leave_the_order_of_what_remains(desk: Desk) -> None:
    everything = hits(desk)
    tag = everything[-1]["tags"][-1]["label"]
    middle = sorted(hit["moderation_nsfw"] for hit in everything)[len(everything) // 2]
    for asked, kept in (
        ({"tag": tag}, lambda hit: tag in {item["label"] for item in hit["tags"]}),
        ({"tag": ["green", "blue"]}, lambda hit: {"green", "blue"} <= {item["label"] for item in hit["tags"]}),
        ({"nsfw_below": middle}, lambda hit: hit["moderation_nsfw"] < middle),
        ({"nsfw_from": middle}, lambda hit: hit["moderation_nsfw"] >= middle),
        ({"model": "hashing"}, lambda _: True),
        ({"model": "hash"}, lambda _: False),
        ({"tag": "' OR true --"}, lambda _: False),
        ({"model": '" OR true --'}, lambda _: False),
    ):
        assert ids(hits(desk, **asked)) == ids([hit for hit in everything if kept(hit)]), asked
    assert MOST_TAGS == MAX_TAGS


def test_hits_lie_in_shots_of_the_length_that_is_asked_for(desk: Desk) -> None:
    shots = hits(desk, group="shot")
    lengths = sorted(hit["end_s"] - hit["start_s"] for hit in shots)
    assert lengths[0] < lengths[-1]
    middle = lengths[len(lengths) // 2]
    for asked in ({"shot_from": middle}, {"shot_to": middle - 0.01}):
        found = [hit["end_s"] - hit["start_s"] for hit in hits(desk, group="shot", **asked)]
        assert sorted(found) == [length for length in lengths if (length >= middle) == ("shot_from" in asked)]
    # The length is that of the shot, also where a hit is a moment of it.
    longest = hits(desk, shot_from=lengths[-1])
    assert {hit["end_s"] - hit["start_s"] < lengths[-1] for hit in longest} in ({True}, {False})
    assert set(ids(longest)) < set(ids(hits(desk)))


def test_hits_are_sorted_by_time(desk: Desk) -> None:
    found = hits(desk, sort="time")
    assert sorted(ids(found)) == sorted(ids(hits(desk)))
    when = [(-hit["published_at_ms"], hit["asset_id"], hit["start_s"]) for hit in found]
    assert when == sorted(when)
    assert Path(found[0]["asset_id"]).name == "short.mp4"
    assert ids(hits(desk, sort="time", limit=2)) == ids(found)[:2]


def picture(desk: Desk, data: bytes, kind: str = "image/jpeg", key: str | None = "viewer", **asked: Any) -> Any:
    return desk.ask("post", "/v1/search", key, content=data, headers={"content-type": kind}, params=asked)


def test_a_picture_is_a_query(desk: Desk) -> None:
    hit = hits(desk)[0]
    shown = desk.get(hit["thumbnail"]).content
    answer = picture(desk, shown, group="moment", limit=200).json()
    assert answer["hits"][0]["moment_ids"] == hit["moment_ids"]
    assert sorted(ids(answer["hits"])) == sorted(ids(hits(desk)))
    theirs = picture(desk, shown, key="stranger").json()["hits"]
    assert {found["tenant"] for found in theirs} == {"globex"}
    event = desk.events()[-1]
    assert (event["message"], len(event["query_info"]["uid"])) == ("search: searched", 64)


def test_what_is_no_picture_is_refused_in_words(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert picture(desk, b"x", "text/html").json()["code"] == "not_a_picture"
    for data in (b"", b"GIF89a", b"%!PS-Adobe-3.0 EPSF", b"<svg xmlns='http://www.w3.org/2000/svg'/>"):
        answer = picture(desk, data)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_picture"), data
    large = BytesIO()
    Image.new("1", (10_001, 10_000)).save(large, "PNG")
    assert "100 million pixels" in picture(desk, large.getvalue()).json()["detail"]
    monkeypatch.setattr("stream.service.bodies.MOST_PICTURE_BYTES", 1_000)
    for body in (b"x" * 1_001, iter([b"x" * 600] * 2)):
        answer = desk.ask("post", "/v1/search", content=body, headers={"content-type": "image/png"})
        assert (answer.status_code, answer.json()["code"]) == (413, "large_request")
    # Who has no key has nothing read.
    assert picture(desk, b"x" * 1_001, key=None).status_code == 401
    assert picture(desk, b"x", "text/html", key="auditor").status_code in {403, 415}


@pytest.mark.parametrize("group", ["moment", "shot", "asset"])
def test_pages_are_the_whole_answer(desk: Desk, group: str) -> None:
    found, cursor, pages = list[str](), None, 0
    while True:
        asked: dict[str, Any] = {"cursor": cursor, "limit": 1} if cursor else {"q": "red", "group": group, "limit": 1}
        page = desk.get("/v1/search", **asked).json()
        assert page["end"] == ("more" if page["next"] else "all")
        assert len({hit["asset_id"] for hit in page["hits"]}) == 1
        found += ids(page["hits"])
        pages += 1
        if (cursor := page["next"]) is None:
            break
    everything = hits(desk, group=group)
    assert sorted(found) == sorted(ids(everything))
    assert found[0] == ids(everything)[0]
    assert pages == len({hit["asset_id"] for hit in everything} if group == "asset" else everything)


def test_a_picture_has_pages_too(desk: Desk) -> None:
    shown = desk.get(hits(desk)[0]["thumbnail"]).content
    first = picture(desk, shown, group="moment", limit=2).json()
    rest = desk.get("/v1/search", cursor=first["next"], limit=200).json()
    assert ids(first["hits"] + rest["hits"]) == ids(picture(desk, shown, group="moment", limit=200).json()["hits"])


def test_a_cursor_is_of_this_service_and_of_its_caller(desk: Desk) -> None:
    cursor = desk.get("/v1/search", q="red", limit=1).json()["next"]
    for changed in (cursor[:-2] + "AA", "A" * len(cursor), "é", "", cursor[:20]):
        answer = desk.get("/v1/search", cursor=changed)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor"), changed
    assert desk.get("/v1/search", cursor=cursor, q="red").json()["code"] == "bad_cursor"
    assert desk.get("/v1/search", "stranger", cursor=cursor).json()["code"] == "cursor_gone"
    assert desk.get("/v1/search", None, cursor=cursor).status_code == 401
    one, other = desk.get("/v1/search", cursor=cursor), desk.get("/v1/search", cursor=cursor)
    assert one.json()["hits"] == other.json()["hits"]
    digests = [event["query_info"]["uid"] for event in desk.events()[-2:]]
    desk.get("/v1/search", q="red")
    assert set(digests) == {desk.events()[-1]["query_info"]["uid"]}


def test_a_page_keeps_to_the_rights_of_now(desk: Desk) -> None:
    desk.give("guest", AccessRole.VIEWER)
    desk.give("guest", AccessRole.VIEWER, project="another")
    cursor = desk.get("/v1/search", "guest", q="red", limit=1).json()["next"]
    desk.register.take("grant/acme/*/viewer/service:acme/guest")
    page = desk.get("/v1/search", "guest", cursor=cursor)
    assert (page.status_code, page.json()["hits"]) == (200, [])


def test_an_answer_that_the_caller_has_is_not_made_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def tagged(key: str = "viewer", etag: str = "", **asked: Any) -> Any:
        return desk.ask("get", "/v1/search", key, params={"q": "red"} | asked, headers={"if-none-match": etag})

    first = tagged()
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    assert tagged().content == first.content
    # Another question and other rights have other answers.
    assert tagged(etag=etag, q="green").status_code == 200
    assert tagged("stranger", etag).status_code == 200
    monkeypatch.setattr("stream.search.encoding.QueryEncoder.encode", None)
    same = tagged(etag=etag)
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    assert desk.events()[-1]["status"] == "Success"


def test_the_tag_of_an_answer_tells_nothing_of_what_others_store(tmp_path: Path) -> None:
    stores = two_tenants(tmp_path)
    with opened(stores, tmp_path / "own") as desk:
        for name, tenant in (("viewer", "acme"), ("stranger", "globex")):
            desk.give(name, AccessRole.VIEWER, tenant)

        def asked(key: str, etag: str = "") -> httpx.Response:
            headers = {"if-none-match": etag}
            return desk.ask(
                "get", "/v1/search", key, params={"q": "red", "limit": 1, "group": "moment"}, headers=headers
            )

        tags = {key: asked(key).headers["etag"] for key in ("viewer", "stranger")}
        clip = write_clip(tmp_path / "more.mp4", seconds=3, fps=5, scenes=[1.0, 1.0, 1.0])
        run_events(light_settings(tmp_path / "state", tmp_path), [published(clip.path, tenant="globex")])
        mine, theirs = asked("viewer", tags["viewer"]), asked("stranger", tags["stranger"])
        assert (mine.status_code, mine.headers["etag"]) == (304, tags["viewer"])
        # Once more, from what was kept.
        assert asked("viewer", tags["viewer"]).status_code == 304
        assert theirs.status_code == 200


def test_a_cursor_of_another_replica_is_known_and_its_list_is_not_there(desk: Desk, tmp_path: Path) -> None:
    cursor = desk.get("/v1/search", q="red", group="moment", limit=1).json()["next"]
    # Replicas share the secret of keys.
    shutil.copy(desk.trail.with_name(PEPPER), tmp_path)
    with opened(tmp_path / "state", tmp_path) as other:
        other.give("viewer", AccessRole.VIEWER)
        answer = other.get("/v1/search", cursor=cursor)
    assert (answer.status_code, answer.json()["code"]) == (410, "cursor_gone")


def test_freshness_is_proved_or_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = desk.get("/v1/search", q="red", as_fresh_as=0)
    now_ms = desk.clock.now_ms()
    assert fresh.json()["freshness"] == {
        "searchable_up_to_ms": now_ms,
        "as_of_ms": now_ms,
        "pending": [],
        "pending_assets": 0,
        "unknown": None,
    }
    assert "etag" not in fresh.headers
    published = sorted({hit["published_at_ms"] for hit in hits(desk)})
    # What is ready stands for what is under way, so that one store does for all tests.
    monkeypatch.setattr("sinks.query.catalogue.UNDER_WAY", "ready")
    late = desk.get("/v1/search", q="red", as_fresh_as=1)
    assert (late.status_code, late.json()["code"]) == (412, "not_fresh_enough")
    proof = late.json()["freshness"]
    assert (proof["searchable_up_to_ms"], proof["pending_assets"]) == (published[0], 2)
    assert [item["published_at_ms"] for item in proof["pending"]] == published
    theirs = desk.get("/v1/search", "stranger", q="red", as_fresh_as=1)
    assert theirs.json()["freshness"]["pending_assets"] == 1
    enough = (now_ms - published[0]) / 1000 + 1
    assert desk.get("/v1/search", q="red", as_fresh_as=enough).json()["freshness"] == proof


def test_saved_searches_are_their_callers_own(desk: Desk) -> None:
    search = {"q": "a red bus", "tag": ["green"], "from": 3.0, "group": "asset"}
    path = "/v1/saved-searches/news%2Fbuses"
    assert desk.ask("put", path, json={"q": "first"}).status_code == 200
    assert desk.ask("put", path, json=search).json()["name"] == "news/buses"
    (saved,) = desk.get("/v1/saved-searches").json()["saved_searches"]
    assert saved["name"] == "news/buses"
    assert {key: saved["search"][key] for key in search} == search
    assert b"red bus" not in b"".join(json.dumps(event).encode() for event in desk.events())
    assert b"buses" not in b"".join(json.dumps(event).encode() for event in desk.events())
    assert desk.get("/v1/saved-searches", "stranger").json()["saved_searches"] == []
    assert desk.ask("delete", path, "stranger").status_code == 404
    for wrong in ({"q": "red", "cursor": "x"}, {"q": "red", "limit": 0}, {"q": "red", "tenant": ""}):
        assert desk.ask("put", path, json=wrong).status_code == 422
    for number in range(99):
        desk.ask("put", f"/v1/saved-searches/{number}", json={"q": "red"})
    assert desk.ask("put", "/v1/saved-searches/one-more", json={"q": "red"}).json()["code"] == "too_many_saved_searches"
    assert desk.ask("delete", path).status_code == 204
    assert len(desk.get("/v1/saved-searches").json()["saved_searches"]) == 99


def test_a_saved_search_that_this_release_does_not_know_keeps_no_other_away(desk: Desk) -> None:
    for name in ("first", "second"):
        assert desk.ask("put", f"/v1/saved-searches/{name}", "stranger", json={"q": "red"}).status_code == 200
    file = desk.trail.parent / "saved-searches.json"
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text(file.read_text().replace('"second": {', '"second": {"of_later": 1, ', 1))
    kept = desk.get("/v1/saved-searches", "stranger").json()
    assert [item["name"] for item in kept["saved_searches"]] == ["first"]
    assert kept["unreadable"] == ["second"]

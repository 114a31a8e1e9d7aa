"""Exports of selections and answers over the service."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from stream.access.actions import AccessRole
from stream.audit.keys import read_key, secret_of
from stream.audit.recorder import asset_name
from tests.support.service_desk import Desk, opened, two_tenants


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Nothing here changes what it holds."""
    stores = two_tenants(tmp_path_factory.mktemp("exports"))
    with opened(stores, tmp_path_factory.mktemp("own")) as found:
        found.give("viewer", AccessRole.VIEWER)
        found.give("editor", AccessRole.EDITOR)
        found.give("stranger", AccessRole.EDITOR, "globex")
        yield found


@pytest.fixture(scope="module")
def hits(desk: Desk) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = desk.get("/v1/search", q="red", group="moment").json()["hits"]
    return found


def export(desk: Desk, key: str = "editor", **asked: Any) -> Any:
    return desk.ask("post", "/v1/exports", key, json=asked)


def test_a_selection_keeps_its_order_in_every_format(desk: Desk, hits: list[dict[str, Any]]) -> None:
    ids = [hit["moment_ids"][0] for hit in hits][::-1]
    starts = [hit["start_s"] for hit in hits][::-1]
    chosen: dict[str, Any] = {"moment_ids": ids, "group": "moment"}
    table = export(desk, format="csv", **chosen)
    assert table.headers["content-disposition"] == "attachment; filename=rushes.csv"
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [float(row["start_s"]) for row in rows] == starts
    assert {Path(row["uri"]).name for row in rows} == {"acme.mp4"}
    lines = [json.loads(line) for line in export(desk, format="jsonl", **chosen).text.splitlines()]
    assert [line["moment_ids"] for line in lines] == [[name] for name in ids]
    parquet = pq.read_table(io.BytesIO(export(desk, format="parquet", **chosen).content))
    assert parquet["start_s"].to_pylist() == starts
    assert parquet["tags"].to_pylist() == [line["tags"] for line in lines]
    edits = [line for line in export(desk, format="edl", **chosen).text.splitlines() if line.startswith("00")]
    assert len(edits) == len(ids)
    film = json.loads(export(desk, format="otio", fps=23.976, **chosen).text)["tracks"]["children"][0]["children"]
    assert [round(clip["source_range"]["start_time"]["rate"], 6) for clip in film] == [23.976024] * len(ids)
    timeline = json.loads(export(desk, format="otio", fps=50, **chosen).text)
    clips = timeline["tracks"]["children"][0]["children"]
    assert [clip["source_range"]["start_time"]["value"] / 50 for clip in clips] == starts
    assert {clip["media_references"]["DEFAULT_MEDIA"]["target_url"] for clip in clips} == {rows[0]["uri"]}


def test_moments_of_one_shot_are_one_edit(desk: Desk, hits: list[dict[str, Any]]) -> None:
    ids = [hit["moment_ids"][0] for hit in hits]
    shots = desk.get("/v1/search", q="red").json()["hits"]
    lines = [json.loads(line) for line in export(desk, format="jsonl", moment_ids=ids).text.splitlines()]
    assert {(line["start_s"], line["end_s"]) for line in lines} == {(hit["start_s"], hit["end_s"]) for hit in shots}


def test_an_answer_is_exported_as_it_is_found(desk: Desk, hits: list[dict[str, Any]]) -> None:
    lines = export(desk, format="jsonl", search={"q": "red", "group": "moment"}).text.splitlines()
    assert [json.loads(line)["moment_ids"] for line in lines] == [hit["moment_ids"] for hit in hits]
    assert export(desk, format="csv", search={"q": " "}).json()["code"] == "blank_query"


@pytest.mark.parametrize(
    "asked",
    [
        {"format": "csv"},
        {"format": "csv", "moment_ids": ["x"], "search": {"q": "red"}},
        {"format": "exe", "moment_ids": ["x"]},
        {"format": "edl", "moment_ids": ["x"], "fps": 24.5},
        {"format": "csv", "search": {"q": "red", "limit": 10_001}},
        {"format": "csv", "search": {"q": "red", "cursor": "x"}},
        {"format": "csv", "moment_ids": ["x"] * 10_001},
    ],
)
def test_what_cannot_be_exported_is_refused(desk: Desk, asked: dict[str, Any]) -> None:
    assert export(desk, **asked).status_code == 422


def test_only_what_the_caller_may_take_out_is_exported(desk: Desk, hits: list[dict[str, Any]]) -> None:
    theirs = hits[0]["moment_ids"][0]
    answers = [export(desk, "stranger", format="csv", moment_ids=[name]) for name in (theirs, "0" * 32)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text.replace(theirs, "0" * 32) == answers[1].text
    assert export(desk, "viewer", format="csv", moment_ids=[theirs]).status_code == 403
    export(desk, format="csv", moment_ids=[theirs])
    admitted, ended = desk.events()[-2:]
    assert (admitted["status"], ended["message"], ended["count"]) == ("Admitted", "export: exported", 1)
    named = asset_name(secret_of(read_key(desk.trail.with_name("audit.key"))), "acme", hits[0]["asset_id"])
    assert [item["uid"] for item in ended["resources"]] == [named]
    assert ended["metadata"]["tenant_uid"] == "acme"

"""Exports and the contact sheet: right times, and nothing a producer names can run."""

import csv
import io
import json
from pathlib import Path

from stream.cli.contact_sheet import contact_sheet
from stream.cli.exports import to_csv, to_edl, to_json
from stream.cli.hits import Hit
from stream.cli.player import play_command
from stream.cli.uris import expand, roots_of
from stream.events.grid import SECOND_NS

HIT = Hit(
    asset_id="a",
    uri="/footage/=cmd <b>.mp4",
    tenant="t",
    project="p",
    start_ns=61 * SECOND_NS + SECOND_NS // 2,
    end_ns=63 * SECOND_NS,
    score=0.31,
    weak=True,
    why="=SUM(A1) like <script>alert(1)</script>",
    caption="bus",
    caption_method="template",
    tags=(("school bus", 0.82),),
    labels=("show=news",),
    thumbnail=b"\xff\xd8jpeg",
)


def test_csv_defuses_formulas_and_keeps_times() -> None:
    (row,) = csv.DictReader(io.StringIO(to_csv([HIT], 25)))
    assert row["why"].startswith("'=")
    assert (row["start"], row["start_s"], row["tags"]) == ("00:01:01.500", "61.5", "school bus:0.82")


def test_edl_lays_hits_end_to_end() -> None:
    lines = to_edl([HIT, HIT], 25).splitlines()
    assert lines[3] == "001  AX       V     C        00:01:01:12 00:01:03:00 00:00:00:00 00:00:01:13"
    assert lines[7].startswith("002  AX       V     C        00:01:01:12 00:01:03:00 00:00:01:13 00:00:03:01")


def test_json_is_whole() -> None:
    (row,) = json.loads(to_json([HIT], 25))
    assert (row["start_s"], row["weak"], row["tags"][0]["label"]) == (61.5, True, "school bus")


def test_contact_sheet_escapes_and_needs_nothing_else() -> None:
    page = contact_sheet([HIT], query="<img onerror=x>", space="conse", note="")
    assert "<script>" not in page
    assert "<img onerror" not in page
    assert "&lt;script&gt;" in page
    assert "http" not in page.replace("http-equiv", "")


def test_players_get_the_start_and_no_option_from_a_name() -> None:
    command = play_command(HIT, which=lambda name: "/usr/bin/mpv" if name == "mpv" else None)
    assert command == ["mpv", "--start=61.500", "--", "/footage/=cmd <b>.mp4"]
    assert play_command(HIT, which=lambda _name: None) is None


def test_expand_walks_folders_for_video_only(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.MP4", "a.mov", "notes.txt", "sub/c.ts"):
        (tmp_path / name).write_bytes(b"x")
    found = expand([str(tmp_path), str(tmp_path / "a.mov"), str(tmp_path / "gone.mp4"), "https://h/v.mp4"])
    assert [Path(uri).name for uri in found] == ["a.mov", "b.MP4", "c.ts", "gone.mp4", "v.mp4"]
    assert tmp_path.resolve() / "a.mov" in roots_of(found)
    assert len(roots_of(found)) == 4

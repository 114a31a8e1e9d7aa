"""Exports and the contact sheet: right times, and nothing a producer names can run."""

import csv
import io
import json
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from stream.cli.commands.ingest import as_json
from stream.cli.commands.search import result_table
from stream.cli.context import explain
from stream.cli.rendering.contact_sheet import contact_sheet
from stream.cli.rendering.exports import to_csv, to_edl, to_json
from stream.cli.rendering.hits import Hit
from stream.cli.rendering.live import closing_table
from stream.cli.rendering.player import play_command
from stream.errors import BadEvent
from stream.events.annotations import Space
from stream.events.asset import AssetChanged, AssetPublished, AssetRef, AssetStatus
from stream.events.grid import SECOND_NS
from stream.events.ids import AssetVersion
from stream.events.timecode import SourceTimecode

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


def test_edl_names_frames_as_the_source_does() -> None:
    """Drop-frame: one second before a minute that skips :00 and :01; the range ends with the frame after its last."""
    code = SourceTimecode.parse("01:00:58;00@30000/1001")
    assert code is not None
    tape = replace(HIT, source_timecode=code, start_ns=1_001_000_000, end_ns=2_068_733_333)
    lines = to_edl([tape, HIT], 30).splitlines()
    assert lines[3:6] == [
        "FCM: DROP FRAME",
        "001  AX       V     C        01:00:59;00 01:01:00;04 00:00:00:00 00:00:01:02",
        "* FROM CLIP NAME: =cmd <b>.mp4",
    ]
    assert lines[6] == "* SOURCE FRAME RATE: 30000/1001"
    assert lines[9:11] == [
        "FCM: NON-DROP FRAME",
        "002  AX       V     C        00:01:01:15 00:01:03:00 00:00:01:02 00:00:02:17",
    ]
    (row,) = csv.DictReader(io.StringIO(to_csv([tape], 30)))
    assert (row["source_start"], row["source_end"]) == ("01:00:59;00", "01:01:00;04")


def test_a_frame_is_not_taken_for_the_one_before() -> None:
    """At 30 frames a second their times in nanoseconds are rounded, half of them down."""
    for number in range(1, 90):
        start_ns, end_ns = (round(frame * SECOND_NS / 30) for frame in (number, number + 3))
        line = to_edl([replace(HIT, start_ns=start_ns, end_ns=end_ns)], 30).splitlines()[3]
        assert line.split()[4:6] == [f"00:00:{frame // 30:02d}:{frame % 30:02d}" for frame in (number, number + 3)]


def test_players_and_editors_get_the_files_own_time() -> None:
    """The picture begins 3 s after the sound: what the asset calls 0 is at 3 s of every player's time line."""
    late = replace(HIT, file_offset_ns=3 * SECOND_NS)
    assert play_command(late, which=lambda name: f"/usr/bin/{name}" if name == "mpv" else None) == [
        *("mpv", "--start=64.500", "--", "/footage/=cmd <b>.mp4")
    ]
    assert to_edl([late], 25).splitlines()[3].split()[4:6] == ["00:01:04:12", "00:01:06:00"]
    (row,) = csv.DictReader(io.StringIO(to_csv([late], 25)))
    assert (row["start_s"], row["file_start_s"], row["file_end_s"]) == ("61.5", "64.5", "66.0")
    (found,) = json.loads(to_json([late], 25))
    assert (found["start_s"], found["file_start_s"], found["file_end_s"]) == (61.5, 64.5, 66.0)
    assert "in the file at 00:01:04.500" in contact_sheet([late], query="q", space="s", note="")
    assert "in the file" not in contact_sheet([HIT], query="q", space="s", note="")
    space = Space(name="s", digest="0123456789abcdef", dimensions=1, spec="s")
    assert "00:01:04.500 file" in printed(result_table([late], "q", space))
    # A source's own time code names the first picture, wherever the file shows it.
    code = SourceTimecode.parse("01:00:00:00@25")
    assert to_edl([replace(late, source_timecode=code)], 25).splitlines()[3].split()[4] == "01:01:01:12"


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


ATTACK = "\x1b]0;owned\x07\x1b[2J\x9b31m \u202egpj.exe\u2066 [red]b[/] \u200b"
SIGNED = f"https://user:hunter2@host:8/a/{ATTACK}.mp4?X-Amz-Signature=hunter2#hunter2"


def printed(*what: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=200, highlight=False, force_terminal=True, color_system=None)
    console.print(*what)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_nothing_a_producer_names_reaches_the_terminal_or_the_page_alive() -> None:
    hit = replace(
        HIT, uri=SIGNED, why=ATTACK, caption=ATTACK, tags=((ATTACK, 0.5),), labels=(f"k={ATTACK}",), weak=False
    )
    asset = AssetRef(tenant="t", project="p", asset_id="a", version=AssetVersion(1, 1))
    change = AssetChanged(asset=asset, uri=SIGNED, status=AssetStatus.FAILED, reason=ATTACK)
    space = Space(name="toy", digest="0" * 12, dimensions=1, spec="toy")
    texts = [
        printed(result_table([hit], ATTACK, space)),
        printed(result_table([], ATTACK, space)),
        printed(closing_table([change])),
        contact_sheet([hit], query=ATTACK, space="s", note=""),
        to_csv([hit], 25),
        to_edl([hit], 25),
        to_json([hit], 25),
        json.dumps(as_json(change)),
        explain(BadEvent(ATTACK, code="odd")),
    ]
    for text in texts:
        assert not set(text) & set("\x1b\x07\x9b\u202e\u2066\u200b")
        assert "hunter2" not in text
    assert "[red]b[/]" in texts[0], "no markup either"


@pytest.mark.parametrize(
    ("uri", "identity"),
    [
        ("/a/b?.mp4", "/a/b?.mp4"),
        ("https://h/a.mp4", "https://h/a.mp4"),
        ("https://u:hunter2@h:8/a@b.mp4", "https://h:8/a@b.mp4"),
        ("s3://bucket/key", "s3://bucket/key"),
    ],
)
def test_an_asset_id_by_default_is_the_uri_without_its_user(uri: str, identity: str) -> None:
    assert AssetPublished(uri=uri).identity() == identity


def test_two_queries_are_two_assets_and_neither_shows_its_query() -> None:
    ids = [AssetPublished(uri=f"https://h/a?{query}").identity() for query in ("v=1&sig=hunter2", "v=2&sig=hunter2")]
    assert len(set(ids)) == 2
    assert all(name.startswith("https://h/a?") and "hunter2" not in name for name in ids)
    long = AssetPublished(uri="https://h/" + "ä" * 3000).identity()
    assert len(long.encode()) <= 1000
    assert long != AssetPublished(uri="https://h/" + "ä" * 3001).identity()

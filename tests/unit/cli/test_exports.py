"""Hits on a terminal, a page, in files and players: right times, and nothing a producer names can run."""

import csv
import io
import json
from dataclasses import replace
from fractions import Fraction

import pytest
from rich.console import Console, RenderableType

from stream.cli.commands.ingest import as_json
from stream.cli.context import explain
from stream.cli.rendering.contact_sheet import contact_sheet
from stream.cli.rendering.live import closing_table
from stream.cli.rendering.player import play_command
from stream.cli.rendering.search_results import EXPORTS, result_table
from stream.errors import BadEvent
from stream.events.asset import AssetChanged, AssetPublished, AssetRef, AssetStatus
from stream.events.grid import SECOND_NS
from stream.events.ids import AssetVersion
from stream.events.timecode import SourceTimecode
from stream.search.exports import to_csv, to_edl, to_rows
from tests.support.hits import HIT, answer_of


def test_players_and_editors_get_the_files_own_time() -> None:
    """The picture begins 3 s after the sound: what the asset calls 0 is at 3 s of every player's time line."""
    late = replace(HIT, file_offset_ns=3 * SECOND_NS)
    assert play_command(late, which=lambda name: f"/usr/bin/{name}" if name == "mpv" else None) == [
        *("mpv", "--start=64.500", "--", "/footage/=cmd <b>.mp4")
    ]
    assert to_edl([late], Fraction(25)).splitlines()[3].split()[4:6] == ["00:01:04:12", "00:01:06:00"]
    (row,) = csv.DictReader(io.StringIO(to_csv([late])))
    assert (row["start_s"], row["file_start_s"], row["file_end_s"]) == ("61.5", "64.5", "66.0")
    (found,) = to_rows([late])
    assert (found["start_s"], found["file_start_s"], found["file_end_s"]) == (61.5, 64.5, 66.0)
    assert "in the file at 00:01:04.500" in contact_sheet([late], query="q", space="s", note="")
    assert "in the file" not in contact_sheet([HIT], query="q", space="s", note="")
    assert "00:01:04.500 file" in printed(result_table(answer_of(late), "q"))
    # A source's own time code names the first picture, wherever the file shows it.
    code = SourceTimecode.parse("01:00:00:00@25")
    assert to_edl([replace(late, source_timecode=code)], Fraction(25)).splitlines()[3].split()[4] == "01:01:01:12"


def test_json_is_whole() -> None:
    (row,) = json.loads(EXPORTS["json"]([HIT], Fraction(25)))
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
        HIT, uri=SIGNED, why=ATTACK, caption=ATTACK, tags=((ATTACK, 0.5),), labels=(f"k={ATTACK}",), strength="fair"
    )
    asset = AssetRef(tenant="t", project="p", asset_id="a", version=AssetVersion(1, 1))
    change = AssetChanged(asset=asset, uri=SIGNED, status=AssetStatus.FAILED, reason=ATTACK)
    texts = [
        printed(result_table(answer_of(hit), ATTACK)),
        printed(result_table(answer_of(), ATTACK)),
        printed(closing_table([change])),
        contact_sheet([hit], query=ATTACK, space="s", note=""),
        *(export([hit], Fraction(25)) for export in EXPORTS.values()),
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

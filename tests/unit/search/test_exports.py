"""Exports for other tools: right times, and nothing that a spreadsheet runs."""

import csv
import io
import json
from dataclasses import replace
from fractions import Fraction

import pyarrow.parquet as pq
import pytest

from stream.events.grid import SECOND_NS
from stream.events.timecode import SourceTimecode, edit_rate
from stream.search.exports import to_csv, to_edl, to_json_lines, to_parquet, to_rows
from stream.search.timeline_export import to_otio
from tests.support.hits import HIT


def test_csv_defuses_formulas_and_keeps_times() -> None:
    (row,) = csv.DictReader(io.StringIO(to_csv([HIT])))
    assert row["why"].startswith("'=")
    assert (row["start"], row["start_s"], row["tags"]) == ("00:01:01.500", "61.5", "school bus:0.82")


@pytest.mark.parametrize("why", ["=1+1", " =1+1", "\N{FULLWIDTH EQUALS SIGN}1+1", "\N{FULLWIDTH PLUS SIGN}1"])
def test_no_cell_begins_as_a_formula(why: str) -> None:
    (row,) = csv.DictReader(io.StringIO(to_csv([replace(HIT, why=why)])))
    assert row["why"] == f"'{why}"


def test_edl_lays_hits_end_to_end() -> None:
    lines = to_edl([HIT, HIT], Fraction(25)).splitlines()
    assert lines[3] == "001  AX       V     C        00:01:01:12 00:01:03:00 00:00:00:00 00:00:01:13"
    assert lines[7].startswith("002  AX       V     C        00:01:01:12 00:01:03:00 00:00:01:13 00:00:03:01")


def test_edl_counts_the_frames_of_ntsc() -> None:
    """Ten minutes at 23.976 are 14,385 frames and not 14,400: an edit of the latter lies 0.6 s beside."""
    late = replace(HIT, start_ns=600 * SECOND_NS, end_ns=601 * SECOND_NS, why="")
    lines = to_edl([late], edit_rate(23.976)).splitlines()
    assert lines[3] == "001  AX       V     C        00:09:59:09 00:10:00:10 00:00:00:00 00:00:01:01"
    # Of a selection, which nothing was asked for.
    assert lines[4:] == ["* FROM CLIP NAME: =cmd <b>.mp4"]


@pytest.mark.parametrize(
    ("written", "rate"),
    [(23.976, "24000/1001"), (23.98, "24000/1001"), (29.97, "30000/1001"), (59.94, "60000/1001"), (24, "24")],
)
def test_a_frame_rate_is_read_as_people_write_it(written: float, rate: str) -> None:
    assert edit_rate(written) == Fraction(rate)


@pytest.mark.parametrize("written", [23.9, 24.5, 29.9, float("nan"), float("inf")])
def test_what_is_no_frame_rate_is_refused(written: float) -> None:
    with pytest.raises(ValueError, match=r"a whole number, 23\.976"):
        edit_rate(written)


def test_edl_names_frames_as_the_source_does() -> None:
    """Drop-frame: one second before a minute that skips :00 and :01; the range ends with the frame after its last."""
    code = SourceTimecode.parse("01:00:58;00@30000/1001")
    assert code is not None
    tape = replace(HIT, source_timecode=code, start_ns=1_001_000_000, end_ns=2_068_733_333)
    lines = to_edl([tape, HIT], Fraction(30)).splitlines()
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
    (row,) = csv.DictReader(io.StringIO(to_csv([tape])))
    assert (row["source_start"], row["source_end"]) == ("01:00:59;00", "01:01:00;04")


def test_a_frame_is_not_taken_for_the_one_before() -> None:
    """At 30 frames a second their times in nanoseconds are rounded, half of them down."""
    for number in range(1, 90):
        start_ns, end_ns = (round(frame * SECOND_NS / 30) for frame in (number, number + 3))
        line = to_edl([replace(HIT, start_ns=start_ns, end_ns=end_ns)], Fraction(30)).splitlines()[3]
        assert line.split()[4:6] == [f"00:00:{frame // 30:02d}:{frame % 30:02d}" for frame in (number, number + 3)]


def test_rows_are_whole() -> None:
    (row,) = to_rows([HIT])
    assert (row["start_s"], row["weak"], row["tags"]) == (61.5, True, [{"label": "school bus", "score": 0.82}])
    assert (row["moment_ids"], row["labels"]) == ([], ["show=news"])


def test_a_timeline_has_the_source_times_of_each_hit() -> None:
    code = SourceTimecode.parse("01:00:58;00@30000/1001")
    assert code is not None
    timeline = json.loads(to_otio([HIT, replace(HIT, source_timecode=code)], Fraction(25)))
    assert timeline["OTIO_SCHEMA"] == "Timeline.1"
    plain, tape = timeline["tracks"]["children"][0]["children"]
    assert plain["source_range"]["start_time"] == {"OTIO_SCHEMA": "RationalTime.1", "rate": 25.0, "value": 1537.0}
    assert plain["source_range"]["duration"]["value"] == 38.0
    assert tape["source_range"]["start_time"]["rate"] == 30_000 / 1_001
    assert tape["source_range"]["start_time"]["value"] == code.at(HIT.start_ns)
    assert tape["metadata"]["rushes"]["asset_id"] == "a"


def test_lines_and_tables_hold_what_a_script_needs() -> None:
    (line,) = to_json_lines([HIT]).splitlines()
    assert json.loads(line) == to_rows([HIT])[0]
    table = pq.read_table(io.BytesIO(to_parquet([HIT, replace(HIT, score=None, tags=())])))
    assert table["score"].to_pylist() == [0.31, None]
    assert table["labels"].to_pylist() == [["show=news"], ["show=news"]]
    assert pq.read_table(io.BytesIO(to_parquet([]))).num_rows == 0

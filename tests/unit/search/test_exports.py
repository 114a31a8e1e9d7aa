"""Exports for other tools: right times, and nothing that a spreadsheet runs."""

import csv
import io
from dataclasses import replace

from stream.events.grid import SECOND_NS
from stream.events.timecode import SourceTimecode
from stream.search.exports import to_csv, to_edl, to_rows
from tests.support.hits import HIT


def test_csv_defuses_formulas_and_keeps_times() -> None:
    (row,) = csv.DictReader(io.StringIO(to_csv([HIT])))
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
    (row,) = csv.DictReader(io.StringIO(to_csv([tape])))
    assert (row["source_start"], row["source_end"]) == ("01:00:59;00", "01:01:00;04")


def test_a_frame_is_not_taken_for_the_one_before() -> None:
    """At 30 frames a second their times in nanoseconds are rounded, half of them down."""
    for number in range(1, 90):
        start_ns, end_ns = (round(frame * SECOND_NS / 30) for frame in (number, number + 3))
        line = to_edl([replace(HIT, start_ns=start_ns, end_ns=end_ns)], 30).splitlines()[3]
        assert line.split()[4:6] == [f"00:00:{frame // 30:02d}:{frame % 30:02d}" for frame in (number, number + 3)]


def test_rows_are_whole() -> None:
    (row,) = to_rows([HIT])
    assert (row["start_s"], row["weak"], row["tags"]) == (61.5, True, [{"label": "school bus", "score": 0.82}])
    assert (row["moment_ids"], row["labels"]) == ([], ["show=news"])

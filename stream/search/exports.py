"""Exports hits for other tools: CSV, JSON lines, Parquet, a CMX 3600 EDL."""

import csv
import io
import json
from collections.abc import Sequence
from fractions import Fraction
from typing import Any
from unicodedata import normalize

import pyarrow as pa

from stream.errors import printable
from stream.events.timecode import SourceTimecode
from stream.search.hit import Hit

CSV_COLUMNS = (
    *("rank", "uri", "start", "end", "start_s", "end_s", "file_start_s", "file_end_s", "source_start", "source_end"),
    *("score", "strength", "weak", "why", "caption", "tags", "labels"),
)


_TAG = pa.struct([pa.field("label", pa.string()), pa.field("score", pa.float64())])
_TYPES = {
    "rank": pa.int64(),
    "weak": pa.bool_(),
    "tags": pa.list_(_TAG),
    "labels": pa.list_(pa.string()),
    **dict.fromkeys(("start_s", "end_s", "file_start_s", "file_end_s", "score"), pa.float64()),
}
_PARQUET = pa.schema([pa.field(name, _TYPES.get(name, pa.string())) for name in CSV_COLUMNS])


def to_csv(hits: Sequence[Hit]) -> str:
    """One row per hit (RFC 4180). A cell that a spreadsheet would read as a formula gets an apostrophe in front."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(CSV_COLUMNS)
    for rank, hit in enumerate(hits, 1):
        row = hit.as_json() | {"rank": rank}
        row["tags"] = " ".join(f"{label}:{score:.2f}" for label, score in hit.tags)
        row["labels"] = " ".join(hit.labels)
        writer.writerow([_inert(row[column]) for column in CSV_COLUMNS])
    return buffer.getvalue()


def to_edl(hits: Sequence[Hit], fps: Fraction) -> str:
    """An edit decision list (CMX 3600) with the hits end to end at `fps`; the record side is non-drop.

    Source times are the source's own timecode at its own rate (drop-frame with `;`, marked by `FCM`) where the asset
    has one, else times of the file at `fps`. A hit has the same duration on both sides, in frames where the rates are
    equal.
    """
    lines = ["TITLE: rushes search", "FCM: NON-DROP FRAME", ""]
    record, drop = 0, False
    plain = SourceTimecode(0, fps, drop=False)
    for number, hit in enumerate(hits, 1):
        code = hit.source_timecode or plain
        # The mode holds from its line on, so it is written only where it changes.
        if code.drop != drop:
            drop = code.drop
            lines += [f"FCM: {'DROP' if drop else 'NON-DROP'} FRAME"]
        # A timecode belongs to the first picture; without one an editor counts from the start of the file.
        start_ns, end_ns = hit.file_range_ns if hit.source_timecode is None else (hit.start_ns, hit.end_ns)
        first = code.at(start_ns)
        # An event needs at least one frame.
        last = max(first + 1, code.before(end_ns))
        length = max(1, round((last - first) * Fraction(round(fps), round(code.rate))))
        times = [code.name(first), code.name(last), plain.name(record), plain.name(record + length)]
        lines += [f"{number:03d}  AX       V     C        {' '.join(times)}"]
        lines += [f"* FROM CLIP NAME: {_one_line(hit.name)}"]
        lines += [f"* SOURCE FRAME RATE: {code.rate}"] if code.rate != fps else []
        # A selection was asked for by nothing.
        lines += [f"* COMMENT: {_one_line(hit.why)}"] if hit.why else []
        lines += [""]
        record += length
    return "\n".join(lines)


def to_rows(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """`Hit.as_json` of each."""
    return [hit.as_json() for hit in hits]


def to_json_lines(hits: Sequence[Hit]) -> str:
    """One JSON object a line, as `to_rows` has them, without characters that end a line for some readers."""
    return "".join(json.dumps(row) + "\n" for row in to_rows(hits))


def to_parquet(hits: Sequence[Hit]) -> bytes:
    """A Parquet file with the columns of `to_csv`, typed, tags and labels as lists."""
    import pyarrow.parquet as pq

    rows = [hit.as_json() | {"rank": rank} for rank, hit in enumerate(hits, 1)]
    table = pa.Table.from_pylist([{name: row[name] for name in CSV_COLUMNS} for row in rows], schema=_PARQUET)
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _one_line(text: str) -> str:
    # A line break in a name would begin a line of its own in the list.
    return " ".join(printable(text).split())


def _inert(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    text = printable(cell)
    # A spreadsheet runs a cell that begins with one of these as a formula, some of them behind blanks or in full width.
    # Names come from strangers.
    return "'" + text if normalize("NFKC", text).lstrip().startswith(("=", "+", "-", "@")) else text

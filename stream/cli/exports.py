"""Hits as files for other tools: CSV, CMX 3600 EDL and JSON."""

import csv
import io
import json
from collections.abc import Callable, Sequence

from stream.cli.hits import Hit
from stream.errors import printable
from stream.events.grid import SECOND_NS

CSV_COLUMNS = ("rank", "uri", "start", "end", "start_s", "end_s", "score", "weak", "why", "caption", "tags", "labels")


def to_csv(hits: Sequence[Hit], _fps: int) -> str:
    """One row a hit, RFC 4180. Cells that a spreadsheet would take for a formula are prefixed with an apostrophe."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(CSV_COLUMNS)
    for rank, hit in enumerate(hits, 1):
        row = hit.as_json() | {"rank": rank}
        row["tags"] = " ".join(f"{label}:{score:.2f}" for label, score in hit.tags)
        row["labels"] = " ".join(hit.labels)
        writer.writerow([_inert(row[column]) for column in CSV_COLUMNS])
    return buffer.getvalue()


def to_edl(hits: Sequence[Hit], fps: int) -> str:
    """An edit decision list (CMX 3600, non-drop) that lays the hits end to end; source times are asset times."""
    lines = ["TITLE: rushes search", "FCM: NON-DROP FRAME", ""]
    record = 0
    for number, hit in enumerate(hits, 1):
        first = hit.start_ns * fps // SECOND_NS
        last = max(first + 1, -(-hit.end_ns * fps // SECOND_NS))
        times = [_smpte(frame, fps) for frame in (first, last, record, record + last - first)]
        lines += [
            f"{number:03d}  AX       V     C        {' '.join(times)}",
            f"* FROM CLIP NAME: {_one_line(hit.name)}",
            f"* COMMENT: {_one_line(hit.why)}",
            "",
        ]
        record += last - first
    return "\n".join(lines)


def to_json(hits: Sequence[Hit], _fps: int) -> str:
    """A JSON array of `Hit.as_json`."""
    return json.dumps([hit.as_json() for hit in hits], indent=2) + "\n"


EXPORTS: dict[str, Callable[[Sequence[Hit], int], str]] = {"csv": to_csv, "edl": to_edl, "json": to_json}


def _smpte(frame: int, fps: int) -> str:
    seconds, frames = divmod(frame, fps)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}:{frames:02d}"


def _one_line(text: str) -> str:
    return " ".join(printable(text).split())


def _inert(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    text = printable(cell)
    return "'" + text if text[:1] in ("=", "+", "-", "@") else text

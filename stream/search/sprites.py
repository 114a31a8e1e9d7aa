"""One picture of an asset's thumbnails, and the WebVTT that says which part shows which time: players show them while
somebody moves along the time line.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from sinks.query.moments import StoredMoment
from stream.events.grid import timecode
from stream.events.ids import typed_digest

if TYPE_CHECKING:  # most searches show no sprite
    from PIL import Image

COLUMNS = 15
MOST_TILES = COLUMNS * COLUMNS
"""Of longer assets some moments are left out, evenly."""
TILE_WIDTH = 160
_TALLEST = 2 * TILE_WIDTH
_QUALITY = 75


@dataclass(frozen=True, slots=True)
class SpritePlan:
    """Moments that get a tile, in the order of time. Times are the file's own, as players count them. `digest` names
    all that the picture shows.
    """

    moment_ids: tuple[str, ...]
    ranges_ns: tuple[tuple[int, int], ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Sprite:
    """A JPEG of tiles of one size, row by row, as its plan has them."""

    jpeg: bytes
    tile: tuple[int, int]


def sprite_plan(moments: Sequence[StoredMoment], space: str) -> SpritePlan:
    """Of the moments of one asset. A tile counts until the next one begins."""
    # One of each time: kinds of moments show the same picture.
    first: dict[int, StoredMoment] = {}
    for moment in sorted(moments, key=lambda moment: (moment.start_ns, moment.kind)):
        first.setdefault(moment.start_ns, moment)
    ordered = list(first.values())
    count = min(len(ordered), MOST_TILES)
    chosen = [ordered[number * len(ordered) // count] for number in range(count)]
    starts = [moment.start_ns + moment.file_offset_ns for moment in chosen]
    ends = [moment.end_ns + moment.file_offset_ns for moment in ordered[-1:]]
    names = tuple(moment.moment_id for moment in chosen)
    ranges = tuple(pairwise([*starts, *ends]))
    return SpritePlan(names, ranges, typed_digest("sprite", 1, space, names, tuple(starts)))


def sprite_of(plan: SpritePlan, thumbnails: Mapping[str, bytes]) -> Sprite:
    """The picture. A tile whose thumbnail is not there, or is no JPEG, is black."""
    from PIL import Image

    opened = ((name, _opened(jpeg)) for name, jpeg in thumbnails.items())
    pictures = {name: picture for name, picture in opened if picture is not None}
    # Thumbnails of one asset have one size, unless its pictures change theirs.
    width, height = next((picture.size for picture in pictures.values()), (16, 9))
    tile = TILE_WIDTH, max(1, min(_TALLEST, round(TILE_WIDTH * height / width)))
    rows = -(-len(plan.moment_ids) // COLUMNS)
    columns = min(COLUMNS, len(plan.moment_ids))
    sheet = Image.new("RGB", (max(1, columns) * tile[0], max(1, rows) * tile[1]))
    for name, (left, top) in zip(plan.moment_ids, _places(plan, tile), strict=True):
        picture = pictures.get(name)
        if picture is not None and _fits(picture, tile):
            sheet.paste(picture, (left + (tile[0] - picture.width) // 2, top + (tile[1] - picture.height) // 2))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=_QUALITY)
    return Sprite(buffer.getvalue(), tile)


def _opened(jpeg: bytes) -> "Image.Image | None":
    from PIL import Image

    try:
        # Its head alone: pictures are decoded one at a time.
        return Image.open(io.BytesIO(jpeg), formats=("JPEG",))
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def _fits(picture: "Image.Image", tile: tuple[int, int]) -> bool:
    """Make it fit into its tile, undistorted; whether it could be decoded."""
    try:
        picture.thumbnail(tile)
    except (OSError, ValueError):
        return False
    return True


def sprite_vtt(plan: SpritePlan, tile: tuple[int, int], address: str) -> str:
    """WebVTT whose cues are parts of the picture at `address` (Media Fragments, `xywh`)."""
    lines = ["WEBVTT", ""]
    for (start_ns, end_ns), (left, top) in zip(plan.ranges_ns, _places(plan, tile), strict=True):
        lines += [
            f"{timecode(max(0, start_ns))} --> {timecode(end_ns)}",
            f"{address}#xywh={left},{top},{tile[0]},{tile[1]}",
            "",
        ]
    return "\n".join(lines)


def _places(plan: SpritePlan, tile: tuple[int, int]) -> Iterator[tuple[int, int]]:
    for number in range(len(plan.moment_ids)):
        row, column = divmod(number, COLUMNS)
        yield column * tile[0], row * tile[1]

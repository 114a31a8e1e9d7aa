"""Sprites: which moments get a tile, and how much is kept of what was made."""

import io
from functools import partial

import pytest
from PIL import Image

from sinks.query.moments import StoredMoment
from stream.search.sprites import MOST_TILES, Sprite, sprite_of, sprite_plan
from stream.service.sprites import Sprites


def moment(number: int) -> StoredMoment:
    """One of a row of moments of a microsecond each."""
    return StoredMoment(
        moment_id=str(number),
        content_key="content",
        tenant="acme",
        project="default",
        asset_id="reel",
        uri="reel.mp4",
        labels=(),
        start_ns=number * 1_000,
        end_ns=(number + 1) * 1_000,
        starts_at_cut=True,
        ends_at_cut=True,
        shot_method="none",
        kind="visual",
        tags=(),
        moderation_nsfw=None,
        caption="",
        caption_method="none",
        text="",
        damaged=False,
        file_offset_ns=7,
    )


@pytest.mark.parametrize("count", [1, 2, MOST_TILES - 1, MOST_TILES, MOST_TILES + 1, 10_000])
def test_a_long_asset_gets_no_more_tiles_evenly(count: int) -> None:
    moments = [moment(number) for number in range(count)]
    plan = sprite_plan(moments[::-1], "space")
    assert len(plan.moment_ids) == len(plan.ranges_ns) == min(count, MOST_TILES)
    assert (plan.ranges_ns[0][0], plan.ranges_ns[-1][1]) == (7, count * 1000 + 7)
    # No gap and no overlap.
    assert all(one[1] == other[0] for one, other in zip(plan.ranges_ns, plan.ranges_ns[1:], strict=False))
    lengths = [end - start for start, end in plan.ranges_ns]
    assert max(lengths) - min(lengths) <= 1000
    assert plan == sprite_plan(moments, "space")
    assert plan.digest != sprite_plan(moments, "another").digest


def test_what_is_kept_is_bounded() -> None:
    sprites, made = Sprites(most_bytes=25), list[str]()

    def make(name: str) -> Sprite:
        made.append(name)
        return Sprite(b"0123456789", (1, 1))

    for name in ("a", "b", "a", "c", "a", "b"):
        sprites.of(name, partial(make, name))
    assert made == ["a", "b", "c", "b"]


def test_a_thumbnail_that_is_no_jpeg_is_black() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (320, 180), "white").save(buffer, "JPEG")
    white = buffer.getvalue()
    given = {"0": b"no picture", "1": white, "2": white[: len(white) // 2], "3": b""}
    made = sprite_of(sprite_plan([moment(number) for number in range(4)], "space"), given)
    sheet = Image.open(io.BytesIO(made.jpeg)).convert("L")
    assert made.tile == (160, 90)
    shown = [sheet.crop((160 * column, 0, 160 * (column + 1), 90)).getextrema() for column in range(4)]
    assert shown[1] == (255, 255)
    assert shown[3] == (0, 0)
    assert sheet.crop((0, 0, 150, 90)).getextrema() == (0, 0)

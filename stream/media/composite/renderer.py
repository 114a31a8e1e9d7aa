"""Draws the frames of the clip, one after another, and the poster."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image

from stream.errors import BadMedia
from stream.media.composite.canvas import Planes, lay, plain, to_rgb
from stream.media.composite.drawables import Drawable, drawable
from stream.media.composite.layers import ShapeLayer
from stream.media.composite.placement import area_of, box_of, slid
from stream.media.composite.settings import CompositeSettings
from stream.media.composite.timeline import TimedLayer, entries
from stream.media.composite.values import pixels, rgba

MAX_DRAWING_BYTES = 1 << 30
"""Of all layers that are seen at one moment."""


def frames(
    settings: CompositeSettings,
    inputs: Mapping[str, Path],
    start: int,
    count: int,
    tick: Callable[[], None] = lambda: None,
) -> Iterator[Planes]:
    """The frames [start, start + count). The array is used again for the next frame.

    Raises `BadMedia` where an input cannot be used or a text cannot be set.
    """
    everything = entries(settings)
    red, green, blue, _ = rgba(settings.background)
    backdrop = plain(settings.width, settings.height, (red, green, blue))
    canvas = backdrop.copy()
    open_now: dict[str, Drawable] = {}
    try:
        for frame in range(start, start + count):
            canvas[:] = backdrop
            _draw(canvas, settings, everything, frame, open_now, inputs, tick)
            yield canvas
    finally:
        for found in open_now.values():
            found.close()


def save_poster(canvas: Planes, path: Path) -> None:
    Image.fromarray(to_rgb(canvas)).save(path, "PNG", compress_level=6)


def _hidden(settings: CompositeSettings, everything: Sequence[TimedLayer], frame: int) -> int:
    """How many of the lowest layers are behind a plain rectangle, such as that of an end card, and need no drawing."""
    canvas = area_of(settings, "canvas")
    for index in reversed(range(len(everything))):
        layer = everything[index].layer
        plain_fill = isinstance(layer, ShapeLayer) and isinstance(layer.fill, str) and rgba(layer.fill)[3] == 255
        if not plain_fill or everything[index].opacity_at(frame) < 1 or everything[index].away_at(frame)[0]:
            continue
        if isinstance(layer, ShapeLayer) and not pixels(layer.radius, 100) and box_of(settings, layer).holds(canvas):
            return index
    return 0


def save_no_poster(path: Path) -> None:
    Image.new("RGB", (1, 1)).save(path, "PNG")


def _draw(
    canvas: Planes,
    settings: CompositeSettings,
    everything: Sequence[TimedLayer],
    frame: int,
    open_now: dict[str, Drawable],
    inputs: Mapping[str, Path],
    tick: Callable[[], None],
) -> None:
    held = 0
    hidden = _hidden(settings, everything, frame)
    for index, entry in enumerate(everything):
        if frame >= entry.end:
            # An ended layer gives its memory and its file back.
            if (ended := open_now.pop(entry.where, None)) is not None:
                ended.close()
            continue
        if frame < entry.first or index < hidden:
            continue
        if entry.where not in open_now:
            tick()
            open_now[entry.where] = drawable(settings, entry, inputs, tick)
        drawing = open_now[entry.where].at(frame)
        if drawing is None:
            continue
        held += drawing.bytes
        if held > MAX_DRAWING_BYTES:
            raise BadMedia(
                f"{entry.where}: the layers that are seen at once take more than {MAX_DRAWING_BYTES >> 20} MiB;"
                " use fewer or smaller ones",
                code="layers_too_large",
            )
        away, side = entry.away_at(frame)
        lay(canvas, drawing, slid(settings, drawing.place, away, side), entry.opacity_at(frame))

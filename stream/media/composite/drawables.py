"""What draws each kind of layer: a drawing for each frame of the clip."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av

from stream.media.composite.canvas import Drawing, Planes
from stream.media.composite.captions import CueReader, cues_of
from stream.media.composite.footage import FootagePictures
from stream.media.composite.framing import Framing, Reading
from stream.media.composite.keying import keyed
from stream.media.composite.layers import (
    CaptionsLayer,
    ImageLayer,
    LogoLayer,
    Pictured,
    QrLayer,
    ShapeLayer,
    TextLayer,
    VideoLayer,
)
from stream.media.composite.pictures import image_drawing, mask_alpha, qr_drawing, shape_drawing
from stream.media.composite.placement import Rectangle, box_of, fitted
from stream.media.composite.settings import CompositeSettings
from stream.media.composite.timeline import TimedLayer
from stream.media.composite.type import Typesetter

# Half of a frame would meet the edge of a source's picture where its rate is twice the clip's.
_INTO_FRAME = Fraction(3, 10)


class Drawable(Protocol):
    def at(self, frame: int) -> Drawing | None:
        """What is seen at a frame of the clip; frames are asked for in order. None where nothing is."""

    def close(self) -> None: ...


def drawable(
    settings: CompositeSettings, entry: TimedLayer, inputs: Mapping[str, Path], tick: Callable[[], None]
) -> Drawable:
    """Raises `BadMedia` where an input cannot be used."""
    layer = entry.layer
    match layer:
        case VideoLayer():
            return VideoDrawable(settings, entry, layer, inputs, tick)
        case CaptionsLayer():
            return CaptionsDrawable(settings, entry, layer, inputs)
        case ImageLayer() | LogoLayer():
            drawing = _Cut(layer, inputs).applied(image_drawing(settings, layer, inputs[layer.input]))
        case TextLayer():
            drawing = Typesetter(settings, layer, entry.where, inputs).drawing(layer.text)
        case QrLayer():
            drawing = qr_drawing(settings, layer, entry.where)
        case ShapeLayer():
            drawing = shape_drawing(settings, layer)
    return StillDrawable(drawing)


class StillDrawable:
    """A layer that does not change."""

    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing

    def at(self, _frame: int) -> Drawing | None:
        return self._drawing

    def close(self) -> None:
        """Nothing is open."""


class CaptionsDrawable:
    """The cue of each moment."""

    def __init__(
        self, settings: CompositeSettings, entry: TimedLayer, layer: CaptionsLayer, inputs: Mapping[str, Path]
    ) -> None:
        self._first = entry.windows[-1].first
        self._frame_ms = 1000 / settings.rate
        self._cues = CueReader(cues_of(inputs[layer.input], layer.input), layer.input)
        self._setter = Typesetter(settings, layer, entry.where, inputs)
        self._text = ""
        self._drawing: Drawing | None = None

    def at(self, frame: int) -> Drawing | None:
        text = self._cues.at(float((frame - self._first + Fraction(1, 2)) * self._frame_ms))
        if text != self._text:
            self._text, self._drawing = text, self._setter.drawing(text) if text else None
        return self._drawing

    def close(self) -> None:
        """Nothing is open."""


class VideoDrawable:
    """Footage in its place, at the clip's rate."""

    def __init__(
        self,
        settings: CompositeSettings,
        entry: TimedLayer,
        layer: VideoLayer,
        inputs: Mapping[str, Path],
        tick: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._layer = layer
        self._first = entry.windows[-1].first
        self._cut = _Cut(layer, inputs)
        hold = layer.when_shorter != "error"
        self._footage = FootagePictures(inputs[layer.input], layer.input, hold=hold, tick=tick)
        self._period = self._footage.duration() if layer.when_shorter == "loop" else Fraction(0)
        self._last: Fraction | None = None
        self._made: tuple[object, Drawing] | None = None
        self._framing: tuple[Reading, Framing, Rectangle] | None = None

    def at(self, frame: int) -> Drawing | None:
        seconds = (frame - self._first + _INTO_FRAME) / self._settings.rate + Fraction(str(self._layer.source_start))
        if self._period > 0:
            seconds %= self._period
        if self._last is None or seconds < self._last:
            self._footage.restart(seconds)
        self._last = seconds
        shown = self._footage.at(seconds)
        # A picture that stays is made once.
        if self._made is None or self._made[0] is not shown:
            self._made = shown, self._drawing(shown)
        return self._made[1]

    def close(self) -> None:
        self._footage.close()

    def _drawing(self, frame: av.VideoFrame) -> Drawing:
        reading = Reading.of(frame, self._layer.input)
        if self._framing is None or self._framing[0] != reading:
            self._framing = reading, *self._framed(reading)
        _, framing, place = self._framing
        planes, alpha = framing.planes(frame)
        return self._cut.applied(Drawing(planes, alpha, place.left, place.top))

    def _framed(self, reading: Reading) -> tuple[Framing, Rectangle]:
        layer = self._layer
        shown = reading.shown(self._footage.pixel_aspect)
        fit = fitted(box_of(self._settings, layer), shown, layer.fit, layer.focus, layer.crop, layer.anchor)
        return Framing(reading, fit, layer.input), fit.place


class _Cut:
    """What key and mask leave of a layer."""

    def __init__(self, layer: Pictured, inputs: Mapping[str, Path]) -> None:
        self._layer = layer
        self._inputs = inputs
        self._mask: tuple[Rectangle, Planes] | None = None

    def applied(self, drawing: Drawing) -> Drawing:
        planes, alpha = drawing.planes, drawing.alpha
        if self._layer.chroma_key is not None:
            planes, alpha = keyed(planes, alpha, self._layer.chroma_key)
        if self._layer.mask is not None:
            mask = self._masked(drawing.place)
            alpha = mask if alpha is None else ((alpha.astype("uint16") * mask + 127) // 255).astype("uint8")
        return Drawing(planes, alpha, drawing.left, drawing.top)

    def _masked(self, place: Rectangle) -> Planes:
        if self._mask is None or self._mask[0] != place:
            mask = self._layer.mask
            assert mask is not None
            self._mask = place, mask_alpha(self._inputs[mask.input], mask.input, place, invert=mask.invert)
        return self._mask[1]

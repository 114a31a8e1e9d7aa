"""When each layer is seen, how opaque it is then, and how far a slide has brought it (pure)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stream.media.composite.layers import Drawn, EndCard, Placed, ShapeLayer, Slide, Timed
from stream.media.composite.settings import CompositeSettings


@dataclass(frozen=True, slots=True)
class Window:
    """Frames [first, end) of the clip, and how many of them fade in and out."""

    first: int
    end: int
    fade_in: int
    fade_out: int
    opacity: float

    @classmethod
    def of(cls, settings: CompositeSettings, timed: Timed, first: int, end: int) -> "Window":
        """Where times of `timed` begin at frame `first`; frame `end` ends it at the latest."""
        stop = end if timed.end is None else min(end, first + settings.frame_at(timed.end))
        fades = settings.frame_at(timed.fade_in), settings.frame_at(timed.fade_out)
        return cls(first + settings.frame_at(timed.start), stop, *fades, timed.opacity)

    def opacity_at(self, frame: int) -> float:
        """0 outside of the window. A fade takes the middle of each frame, so that its ends are alike."""
        if not self.first <= frame < self.end:
            return 0.0
        shown = self.opacity
        if self.fade_in:
            shown *= min(1.0, (frame - self.first + 0.5) / self.fade_in)
        if self.fade_out:
            shown *= min(1.0, (self.end - frame - 0.5) / self.fade_out)
        return shown


@dataclass(frozen=True, slots=True)
class TimedLayer:
    """One drawn layer on the time line. `where` is its name in messages; `windows` all have to show it: its own, and
    that of the end card that holds it.
    """

    where: str
    layer: Drawn
    windows: tuple[Window, ...]
    slides: tuple[tuple[Slide, int, int], ...]
    """Each with the frame at which the layer is outside of the canvas, and the one at which it is in place."""

    @property
    def first(self) -> int:
        return max(window.first for window in self.windows)

    @property
    def end(self) -> int:
        return min(window.end for window in self.windows)

    def opacity_at(self, frame: int) -> float:
        shown = 1.0
        for window in self.windows:
            shown *= window.opacity_at(frame)
        return shown

    def away_at(self, frame: int) -> tuple[float, str]:
        """How far the layer is from its place (1 is outside of the canvas), and on which side."""
        for slide, outside, inside in self.slides:
            done = (frame + 0.5 - outside) / (inside - outside)
            if done < 1:
                # Ease-out: fast where it appears, slow where it comes to rest.
                return (1 - max(0.0, done)) ** 3, slide.side
        return 0.0, ""


def entries(settings: CompositeSettings) -> Sequence[TimedLayer]:
    """All layers from the lowest to the highest."""
    found: list[TimedLayer] = []
    for index, layer in enumerate(settings.layers):
        window = Window.of(settings, layer, 0, settings.frames)
        if not isinstance(layer, EndCard):
            found.append(_entry(settings, f"layers[{index}]", layer, (window,)))
            continue
        for name, inner in _of_card(layer):
            own = Window.of(settings, inner, window.first, window.end)
            found.append(_entry(settings, f"layers[{index}].{name}", inner, (window, own)))
    return found


def _of_card(card: EndCard) -> Iterator[tuple[str, Drawn]]:
    if card.background is not None:
        yield "background", ShapeLayer(kind="shape", fill=card.background)
    for index, inner in enumerate(card.layers):
        yield f"layers[{index}]", inner


def _entry(settings: CompositeSettings, where: str, layer: Drawn, windows: tuple[Window, ...]) -> TimedLayer:
    return TimedLayer(where, layer, windows, _slides(settings, layer, windows[-1]))


def _slides(settings: CompositeSettings, layer: Placed, window: Window) -> tuple[tuple[Slide, int, int], ...]:
    found = []
    if layer.slide_in is not None:
        frames = max(1, settings.frame_at(layer.slide_in.seconds))
        found.append((layer.slide_in, window.first, window.first + frames))
    if layer.slide_out is not None:
        frames = max(1, settings.frame_at(layer.slide_out.seconds))
        found.append((layer.slide_out, window.end, window.end - frames))
    return tuple(found)

"""The settings of `composite`, and how a template's values become them."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from stream.errors import BadRequest
from stream.media.checking import refused
from stream.media.composite.layers import (
    KINDS,
    MAX_LAYERS,
    CaptionsLayer,
    Drawn,
    EndCard,
    Fitting,
    Layer,
    Pictured,
    TextLayer,
    Timed,
)
from stream.media.composite.values import Colour, Input, Number, Rate, Seconds, SettingsGroup, pixels
from stream.media.protocol import Settings

MAX_SIDE = 4096
MAX_VIDEOS = 8
SAMPLE_RATE = 48_000
_NOT_NEGATIVE = frozenset({"shadow.blur", "box.padding", "box.radius"})
Decibels = Annotated[Number, Field(ge=-96, le=24)]


class SafeAreas(SettingsGroup):
    """Percent of width and height in the middle; the defaults are those of EBU R 95 for 16:9."""

    title: Annotated[Number, Field(ge=10, le=100)] = 90.0
    action: Annotated[Number, Field(ge=10, le=100)] = 93.0


class Duck(SettingsGroup):
    """Lower this sound while another one is heard."""

    under: Annotated[int, Field(ge=0)]
    """The other sound's place in `sounds`, from 0."""
    by_db: Annotated[Number, Field(gt=0, le=60)] = 12.0
    threshold_db: Annotated[Number, Field(ge=-90, le=0)] = -45.0
    attack: Annotated[Number, Field(gt=0, le=10)] = 0.15
    release: Annotated[Number, Field(gt=0, le=10)] = 0.6


class SoundLayer(SettingsGroup):
    """The sound of an input, from `source_start` on, heard from `start` to `end`."""

    input: Input
    gain_db: Decibels = 0.0
    start: Seconds = 0.0
    end: Seconds | None = None
    source_start: Seconds = 0.0
    loop: bool = False
    fade_in: Seconds = 0.0
    fade_out: Seconds = 0.0
    duck: Duck | None = None


class CompositeSettings(SettingsGroup):
    """One clip. `duration` in seconds is a whole number of frames."""

    width: Annotated[int, Field(ge=16, le=MAX_SIDE, multiple_of=2)]
    height: Annotated[int, Field(ge=16, le=MAX_SIDE, multiple_of=2)]
    fps: Rate = "25"
    duration: Annotated[Seconds, Field(gt=0)]
    background: Colour = "#000000"
    safe_areas: SafeAreas = SafeAreas()
    layers: Annotated[list[Layer], Field(max_length=MAX_LAYERS, default_factory=list)]
    sounds: Annotated[list[SoundLayer], Field(max_length=16, default_factory=list)]
    pixel_format: Literal["yuv444p", "yuv420p"] = "yuv444p"
    sample_bits: Literal[16, 24] = 24
    poster: Seconds | None = None
    """The time of the poster; the middle, if not said."""
    part_seconds: Annotated[Number, Field(ge=0.5, le=60)] = 4.0

    @cached_property
    def rate(self) -> Fraction:
        return Fraction(self.fps)

    @cached_property
    def exact_frames(self) -> Fraction:
        # By its text: 6.006 s are 180 frames at 30000/1001, and its nearest binary fraction is not.
        return Fraction(str(self.duration)) * self.rate

    @property
    def frames(self) -> int:
        return round(self.exact_frames)

    @property
    def poster_frame(self) -> int:
        if self.poster is None:
            return self.frames // 2
        return min(self.frame_at(self.poster), self.frames - 1)

    @property
    def part_frames(self) -> int:
        return max(1, self.frame_at(self.part_seconds))

    def frame_at(self, seconds: float) -> int:
        """The frame whose start is nearest."""
        return round(Fraction(str(seconds)) * self.rate)

    def sample_at(self, frame: int) -> int:
        """The number of samples before a frame."""
        return round(frame * SAMPLE_RATE / self.rate)


def checked(settings: Settings, inputs: Sequence[str]) -> CompositeSettings:
    """Raises `BadRequest` (`template_invalid`) with the fields that are wrong."""
    try:
        made = CompositeSettings.model_validate(settings)
    except ValidationError as error:
        raise _refused(_told(error)) from None
    if problems := list(_problems(made, inputs)):
        raise _refused(problems)
    return made


def drawn(settings: CompositeSettings) -> Iterator[tuple[str, Drawn, EndCard | None]]:
    """The layers that are drawn, in their order, with their names in messages and the card that holds each."""
    for index, layer in enumerate(settings.layers):
        if isinstance(layer, EndCard):
            for inner_index, inner in enumerate(layer.layers):
                yield f"layers[{index}].layers[{inner_index}]", inner, layer
        else:
            yield f"layers[{index}]", layer, None


def _refused(problems: Sequence[str]) -> BadRequest:
    more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
    return refused(f"{'; '.join(problems[:5])}{more}")


def _told(error: ValidationError) -> list[str]:
    return [f"{_where(item['loc'])}: {item['msg'].removeprefix('Value error, ')}" for item in error.errors()]


def _where(steps: tuple[int | str, ...]) -> str:
    text = ""
    for index, step in enumerate(steps):
        if isinstance(step, int):
            text += f"[{step}]"
        # Behind a layer's number pydantic names its kind, and for some values the types it has tried: no fields.
        elif (index and isinstance(steps[index - 1], int) and step in KINDS) or not step.isidentifier():
            continue
        elif step not in {"float", "str", "Fitting", "Gradient"}:
            text += f".{step}"
    return text.removeprefix(".") or "settings"


def _problems(settings: CompositeSettings, inputs: Sequence[str]) -> Iterator[str]:
    yield from _duration_problems(settings)
    for where, name in _named_inputs(settings):
        if name not in inputs:
            yield f"{where}: there is no input {name!r}; there are {', '.join(sorted(inputs)) or 'none'}"
    yield from _layer_problems(settings)
    yield from _sound_problems(settings)


def _duration_problems(settings: CompositeSettings) -> Iterator[str]:
    # Not all times of frames have few digits: 181 frames at 30000/1001 are 6.0393666... s.
    if not settings.frames or abs(settings.exact_frames - settings.frames) > Fraction(1, 1000):
        nearest = max(1, round(settings.exact_frames))
        frames = float(settings.exact_frames)
        yield (
            f"duration: {settings.duration:g} s are {frames:.3f} frames at {settings.fps} frames a second;"
            f" a whole number is needed, such as {_decimal(nearest / settings.rate)} s ({nearest} frames)"
        )


def _layer_problems(settings: CompositeSettings) -> Iterator[str]:
    for index, layer in enumerate(settings.layers):
        yield from _time_problems(f"layers[{index}]", layer, settings.duration)
    everything = list(drawn(settings))
    for where, inner, card in everything:
        if card is not None:
            yield from _time_problems(where, inner, (card.end or settings.duration) - card.start)
        yield from _own_problems(where, inner, settings)
    if len(everything) > MAX_LAYERS:
        yield f"layers: {len(everything)} layers with those of end cards; at most {MAX_LAYERS} are taken"
    if (videos := sum(inner.kind == "video" for _, inner, _ in everything)) > MAX_VIDEOS:
        yield f"layers: {videos} layers of kind video; at most {MAX_VIDEOS} are taken"


def _own_problems(where: str, layer: Drawn, settings: CompositeSettings) -> Iterator[str]:
    yield from _length_problems(where, layer, settings)
    if isinstance(layer, TextLayer | CaptionsLayer):
        size = layer.size
        # Where one is a percentage and one is not, it depends on the canvas; then the smallest size counts.
        if (
            isinstance(size, Fitting)
            and isinstance(size.min, str) == isinstance(size.max, str)
            and pixels(size.min, 100) > pixels(size.max, 100)
        ):
            yield f"{where}.size: min, {size.min}, is larger than max, {size.max}"
    if isinstance(layer, Pictured):
        crop = layer.crop
        if max(crop.left + crop.right, crop.top + crop.bottom) > 99:
            yield f"{where}.crop: nothing is left of the picture"


def _length_problems(where: str, layer: Drawn, settings: CompositeSettings) -> Iterator[str]:
    """Lengths that would only take memory: nothing of that size can be seen."""
    short = min(settings.width, settings.height)
    lengths: list[tuple[str, float | str | None, int, float]] = [
        ("width", layer.width, settings.width, 2),
        ("height", layer.height, settings.height, 2),
        ("x", layer.x, settings.width, 4),
        ("y", layer.y, settings.height, 4),
    ]
    if isinstance(layer, TextLayer | CaptionsLayer):
        if layer.outline:
            lengths.append(("outline.width", layer.outline.width, short, 0.1))
        if layer.shadow:
            shadow = layer.shadow
            lengths += [("shadow.x", shadow.x, short, 0.5), ("shadow.y", shadow.y, short, 0.5)]
            lengths.append(("shadow.blur", shadow.blur, short, 0.2))
        if layer.box:
            lengths += [("box.padding", layer.box.padding, short, 0.5), ("box.radius", layer.box.radius, short, 1)]
    for name, length, whole, most in lengths:
        if length is not None and abs(pixels(length, whole)) > most * whole + 1:
            yield f"{where}.{name}: {length} is too long; at most {most:.0%} of {whole} pixels are taken"
        # Where a layer lies may be left of or above its anchor; nothing else is negative.
        elif length is not None and name in _NOT_NEGATIVE and pixels(length, whole) < 0:
            yield f"{where}.{name}: {length} is negative"


def _named_inputs(settings: CompositeSettings) -> Iterator[tuple[str, str]]:
    for where, layer, _ in drawn(settings):
        if isinstance(layer, Pictured | CaptionsLayer):
            yield f"{where}.input", layer.input
        if isinstance(layer, Pictured) and layer.mask is not None:
            yield f"{where}.mask.input", layer.mask.input
        if isinstance(layer, TextLayer | CaptionsLayer):
            for index, name in enumerate(layer.fonts):
                yield f"{where}.fonts[{index}]", name
    for index, sound in enumerate(settings.sounds):
        yield f"sounds[{index}].input", sound.input


def _time_problems(where: str, layer: Timed | SoundLayer, duration: float) -> Iterator[str]:
    end = duration if layer.end is None else layer.end
    if layer.start >= duration:
        yield f"{where}.start: {layer.start:g} s is not before the end, at {duration:g} s"
    elif end <= layer.start:
        yield f"{where}.end: {end:g} s is not after its start, at {layer.start:g} s"
    elif end > duration:
        yield f"{where}.end: {end:g} s is after the end, at {duration:g} s"


def _sound_problems(settings: CompositeSettings) -> Iterator[str]:
    for index, sound in enumerate(settings.sounds):
        where = f"sounds[{index}]"
        yield from _time_problems(where, sound, settings.duration)
        if sound.duck is None:
            continue
        under = sound.duck.under
        if under >= len(settings.sounds) or under == index:
            yield f"{where}.duck.under: {under} is no other sound; there are {len(settings.sounds)}, counted from 0"
        elif settings.sounds[under].duck is not None:
            yield f"{where}.duck.under: sound {under} is ducked itself; name one that is not"


def _decimal(seconds: Fraction) -> str:
    return f"{float(seconds):.6f}".rstrip("0").rstrip(".")

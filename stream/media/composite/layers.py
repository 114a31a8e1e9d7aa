"""The kinds of layers that a template may ask for, with their defaults."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints

from stream.media.composite.values import Colour, Input, Length, Number, PositiveLength, Seconds, SettingsGroup, Share

MAX_TEXT = 2_000
MAX_LAYERS = 64
Anchor: TypeAlias = Literal[
    "top-left", "top", "top-right", "left", "center", "right", "bottom-left", "bottom", "bottom-right"
]
Area: TypeAlias = Literal["canvas", "action_safe", "title_safe"]
Percent: TypeAlias = Annotated[Number, Field(ge=0, lt=100)]


class Slide(SettingsGroup):
    """A move in from outside of the canvas, or out of it."""

    side: Literal["left", "right", "top", "bottom"]
    seconds: Annotated[Seconds, Field(gt=0)]


class Timed(SettingsGroup):
    """When a layer is seen. Times are of the clip, or of the end card that holds the layer."""

    start: Seconds = 0.0
    end: Seconds | None = None
    opacity: Share = 1.0
    fade_in: Seconds = 0.0
    fade_out: Seconds = 0.0


class Placed(Timed):
    """Where a layer is. Its box has `width` and `height` (all of the area, if not said) and lies in the area at the
    anchor, moved by `x` and `y`.
    """

    anchor: Anchor = "center"
    area: Area = "canvas"
    x: Length = 0.0
    y: Length = 0.0
    width: PositiveLength | None = None
    height: PositiveLength | None = None
    slide_in: Slide | None = None
    slide_out: Slide | None = None


class ChromaKey(SettingsGroup):
    """What is like `colour` becomes transparent. Distances are of chroma, as shares of its full range."""

    colour: Colour = "#00ff00"
    similarity: Share = 0.16
    softness: Share = 0.08
    spill: Share = 1.0
    """How much of the colour is taken out of what stays."""


class Mask(SettingsGroup):
    """A picture whose light parts show the layer; it is stretched over it."""

    input: Input
    invert: bool = False


class Crop(SettingsGroup):
    """Percent of the shown picture that is cut off at each side."""

    left: Percent = 0.0
    top: Percent = 0.0
    right: Percent = 0.0
    bottom: Percent = 0.0


class Pictured(Placed):
    """What footage and pictures share. `focus`: the point, as shares of width and height, that `cover` keeps."""

    input: Input
    fit: Literal["cover", "contain", "stretch"] = "cover"
    focus: tuple[Share, Share] = (0.5, 0.5)
    crop: Crop = Crop()
    chroma_key: ChromaKey | None = None
    mask: Mask | None = None


class VideoLayer(Pictured):
    """Footage, without its sound: see `sounds`."""

    kind: Literal["video"]
    source_start: Seconds = 0.0
    when_shorter: Literal["error", "loop", "hold"] = "error"


class ImageLayer(Pictured):
    kind: Literal["image"]
    fit: Literal["cover", "contain", "stretch"] = "contain"


class LogoLayer(Pictured):
    """A picture that keeps to the safe area."""

    kind: Literal["logo"]
    fit: Literal["cover", "contain", "stretch"] = "contain"
    anchor: Anchor = "top-left"
    area: Area = "title_safe"
    width: PositiveLength | None = "22%"
    height: PositiveLength | None = "12%"


class Fitting(SettingsGroup):
    """The largest size from `max` down to `min` at which a text fits its box."""

    min: PositiveLength = "3%"
    max: PositiveLength = "8%"


class Outline(SettingsGroup):
    width: PositiveLength = "0.3%"
    colour: Colour = "#000000"


class Shadow(SettingsGroup):
    x: Length = 0.0
    y: Length = "0.3%"
    blur: Length = "0.8%"
    colour: Colour = "#000000b0"


class TextBox(SettingsGroup):
    """A plate behind the lines."""

    colour: Colour = "#000000b0"
    padding: Length = "1.5%"
    radius: Length = 0.0


class Typography(SettingsGroup):
    """How text looks. `fonts`: inputs in order of preference, before the fonts of the package. `weight` applies to
    variable fonts. `start` and `end` follow the direction of each paragraph.
    """

    fonts: Annotated[list[Input], Field(max_length=8, default_factory=list)]
    weight: Annotated[int, Field(ge=100, le=900)] = 400
    language: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$")] = "en"
    direction: Literal["auto", "ltr", "rtl"] = "auto"
    size: PositiveLength | Fitting = Fitting()
    colour: Colour = "#ffffff"
    align: Literal["start", "center", "end", "left", "right"] = "center"
    line_height: Annotated[Number, Field(ge=0.8, le=3)] = 1.25
    max_lines: Annotated[int, Field(ge=1, le=100)] = 8
    outline: Outline | None = None
    shadow: Shadow | None = None
    box: TextBox | None = None
    outside: Literal["error", "warn"] = "error"
    """What happens where ink lies outside of the layer's area."""


class TextLayer(Placed, Typography):
    kind: Literal["text"]
    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)]
    area: Area = "title_safe"


class CaptionsLayer(Placed, Typography):
    """A WebVTT file, burnt in. Positions and styles that its cues ask for are not followed."""

    kind: Literal["captions"]
    input: Input
    anchor: Anchor = "bottom"
    area: Area = "title_safe"
    width: PositiveLength | None = "80%"
    height: PositiveLength | None = "24%"
    size: PositiveLength | Fitting = "4.6%"
    max_lines: Annotated[int, Field(ge=1, le=100)] = 4
    box: TextBox | None = TextBox()


class QrLayer(Placed):
    """A QR code (ISO/IEC 18004). Its modules are whole pixels, so it may be a little smaller than its box."""

    kind: Literal["qr"]
    content: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
    error: Literal["L", "M", "Q", "H"] = "M"
    quiet_zone: Annotated[int, Field(ge=0, le=16)] = 4
    dark: Colour = "#000000"
    light: Colour = "#ffffff"
    width: PositiveLength | None = "25%"
    height: PositiveLength | None = "25%"
    area: Area = "title_safe"


class Gradient(SettingsGroup):
    """From one colour to another. 0 degrees go to the right, 90 down."""

    start: Colour
    end: Colour
    angle: Annotated[Number, Field(ge=-360, le=360)] = 90.0


class ShapeLayer(Placed):
    """A rectangle."""

    kind: Literal["shape"]
    fill: Colour | Gradient
    radius: Length = 0.0


Drawn: TypeAlias = VideoLayer | ImageLayer | LogoLayer | TextLayer | CaptionsLayer | QrLayer | ShapeLayer
"""What is drawn: all kinds of layers but groups."""
KINDS = ("video", "image", "logo", "text", "captions", "qr", "shape", "end_card")


class EndCard(Timed):
    """Layers over a plain colour, from a time on."""

    kind: Literal["end_card"]
    background: Colour | None = None
    layers: Annotated[list[Annotated[Drawn, Field(discriminator="kind")]], Field(min_length=1, max_length=MAX_LAYERS)]


Layer: TypeAlias = Annotated[Drawn | EndCard, Field(discriminator="kind")]

"""Where layers lie on the canvas, in pixels (pure)."""

from dataclasses import dataclass

from stream.media.composite.layers import Area, Crop, Placed
from stream.media.composite.settings import CompositeSettings
from stream.media.composite.values import pixels

_ACROSS = {"left": 0.0, "right": 1.0}
_DOWN = {"top": 0.0, "bottom": 1.0}


@dataclass(frozen=True, slots=True)
class Rectangle:
    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def bottom(self) -> int:
        return self.top + self.height

    def holds(self, other: "Rectangle") -> bool:
        return (
            self.left <= other.left
            and self.top <= other.top
            and other.right <= self.right
            and other.bottom <= self.bottom
        )


def shorter_side(settings: CompositeSettings) -> int:
    """What percentages of sizes are of, so that one template serves wide and tall formats."""
    return min(settings.width, settings.height)


def area_of(settings: CompositeSettings, area: Area) -> Rectangle:
    if area == "canvas":
        return Rectangle(0, 0, settings.width, settings.height)
    share = (settings.safe_areas.title if area == "title_safe" else settings.safe_areas.action) / 100
    width, height = round(settings.width * share), round(settings.height * share)
    return Rectangle((settings.width - width) // 2, (settings.height - height) // 2, width, height)


def box_of(settings: CompositeSettings, layer: Placed) -> Rectangle:
    """The box that the layer may fill."""
    area = area_of(settings, layer.area)
    width = area.width if layer.width is None else max(1, round(pixels(layer.width, settings.width)))
    height = area.height if layer.height is None else max(1, round(pixels(layer.height, settings.height)))
    placed = within(area, (width, height), layer.anchor)
    right, down = round(pixels(layer.x, settings.width)), round(pixels(layer.y, settings.height))
    return Rectangle(placed.left + right, placed.top + down, width, height)


def within(outer: Rectangle, size: tuple[int, int], anchor: str) -> Rectangle:
    """A rectangle of `size` in the corner, at the side or in the middle of another, which may be smaller."""
    sides = anchor.split("-")
    across = next((_ACROSS[side] for side in sides if side in _ACROSS), 0.5)
    down = next((_DOWN[side] for side in sides if side in _DOWN), 0.5)
    left = outer.left + round((outer.width - size[0]) * across)
    return Rectangle(left, outer.top + round((outer.height - size[1]) * down), *size)


@dataclass(frozen=True, slots=True)
class Fit:
    """`source`: left, top, right, bottom of what is shown of a picture, as shares of it. `place`: where it is shown."""

    source: tuple[float, float, float, float]
    place: Rectangle


def fitted(
    box: Rectangle, shown: tuple[float, float], fit: str, focus: tuple[float, float], crop: Crop, anchor: str
) -> Fit:
    """How a picture of the shape `shown` (width and height of square pixels) comes into the box."""
    left, top, right, bottom = crop.left / 100, crop.top / 100, 1 - crop.right / 100, 1 - crop.bottom / 100
    width, height = (right - left) * shown[0], (bottom - top) * shown[1]
    if fit == "stretch":
        return Fit((left, top, right, bottom), box)
    if fit == "contain":
        scale = min(box.width / width, box.height / height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        return Fit((left, top, right, bottom), within(box, size, anchor))
    scale = max(box.width / width, box.height / height)
    across = min(right - left, box.width / scale / shown[0])
    down = min(bottom - top, box.height / scale / shown[1])
    # The point of focus comes as near to the middle as the picture's edges allow.
    middle_x, middle_y = left + (right - left) * focus[0], top + (bottom - top) * focus[1]
    left = min(max(middle_x - across / 2, left), right - across)
    top = min(max(middle_y - down / 2, top), bottom - down)
    return Fit((left, top, left + across, top + down), box)


def slid(settings: CompositeSettings, place: Rectangle, away: float, side: str) -> tuple[int, int]:
    """By how many pixels a layer is moved while a slide is under way."""
    across, down = {
        "left": (-place.right, 0),
        "right": (settings.width - place.left, 0),
        "top": (0, -place.bottom),
        "bottom": (0, settings.height - place.top),
    }.get(side, (0, 0))
    return round(across * away), round(down * away)

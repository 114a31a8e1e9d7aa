"""Where layers lie and when they are seen (pure)."""

from typing import Any

import pytest
from pydantic import JsonValue

from stream.media.composite.layers import Crop, ShapeLayer
from stream.media.composite.placement import Rectangle, area_of, box_of, fitted, slid
from stream.media.composite.settings import checked
from stream.media.composite.timeline import entries

SETTINGS = checked({"width": 200, "height": 100, "duration": 2}, [])


def shape(**fields: Any) -> ShapeLayer:
    return ShapeLayer.model_validate({"kind": "shape", "fill": "#ffffff", **fields})


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({}, Rectangle(0, 0, 200, 100)),
        ({"anchor": "bottom-right", "width": 50, "height": "20%"}, Rectangle(150, 80, 50, 20)),
        ({"anchor": "top-left", "width": 50, "height": 20, "area": "title_safe"}, Rectangle(10, 5, 50, 20)),
        ({"anchor": "left", "width": 50, "height": 20, "x": "10%", "y": -5}, Rectangle(20, 35, 50, 20)),
    ],
)
def test_a_box_lies_at_its_anchor_in_its_area(fields: dict[str, Any], place: Rectangle) -> None:
    assert box_of(SETTINGS, shape(**fields)) == place
    assert area_of(SETTINGS, "action_safe") == Rectangle(7, 3, 186, 93)


@pytest.mark.parametrize(
    ("fit", "focus", "crop", "source", "place"),
    [
        ("stretch", (0.5, 0.5), Crop(), (0, 0, 1, 1), Rectangle(0, 0, 200, 100)),
        ("contain", (0.5, 0.5), Crop(), (0, 0, 1, 1), Rectangle(50, 0, 100, 100)),
        ("cover", (0.5, 0.5), Crop(), (0, 0.25, 1, 0.75), Rectangle(0, 0, 200, 100)),
        ("cover", (0.5, 0.9), Crop(), (0, 0.5, 1, 1), Rectangle(0, 0, 200, 100)),
        ("cover", (0.5, 0.5), Crop(left=50), (0.5, 0.375, 1, 0.625), Rectangle(0, 0, 200, 100)),
        ("contain", (0.5, 0.5), Crop(top=50), (0, 0.5, 1, 1), Rectangle(0, 0, 200, 100)),
    ],
)
def test_a_square_picture_comes_into_a_wide_box(
    fit: str, focus: tuple[float, float], crop: Crop, source: tuple[float, ...], place: Rectangle
) -> None:
    found = fitted(Rectangle(0, 0, 200, 100), (80, 80), fit, focus, crop, "center")
    assert found.source == pytest.approx(source)
    assert found.place == place


def test_fades_slides_and_cards_have_their_times() -> None:
    slide: JsonValue = {"side": "left", "seconds": 0.4}
    inner: JsonValue = {"kind": "shape", "fill": "#ffffff", "start": 0.2, "fade_in": 0.4, "slide_in": slide}
    card: JsonValue = {"kind": "end_card", "start": 1, "fade_out": 0.4, "background": "#000000", "layers": [inner]}
    settings = checked({"width": 200, "height": 100, "duration": 2, "layers": [card]}, [])
    background, shown = entries(settings)
    assert (background.where, shown.where) == ("layers[0].background", "layers[0].layers[0]")
    assert (background.first, shown.first, shown.end) == (25, 30, 50)
    assert [round(shown.opacity_at(frame), 2) for frame in (29, 30, 35, 39, 45, 49, 50)] == [
        0, 0.05, 0.55, 0.95, 0.45, 0.05, 0,
    ]  # fmt: skip
    away, side = shown.away_at(30)
    assert away == pytest.approx(0.95**3)
    assert slid(settings, Rectangle(0, 0, 200, 100), away, side) == (round(-200 * away), 0)
    assert shown.away_at(40) == (0, "")

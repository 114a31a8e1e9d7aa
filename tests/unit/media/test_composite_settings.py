"""Settings of `composite`: every default is filled in, and what is wrong is named."""

import json
from typing import Any

import pytest
from pydantic import JsonValue

from stream.errors import BadRequest
from stream.media.composite.operator import Composite
from stream.media.composite.settings import checked

SMALL = {"width": 64, "height": 36, "duration": 2}
TEXT = {"kind": "text", "text": "Now"}


def refused(**changes: Any) -> str:
    with pytest.raises(BadRequest) as caught:
        checked({**SMALL, **changes}, ["film", "logo"])
    assert caught.value.code == "template_invalid"
    return caught.value.message


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"width": 65}, "width: "),
        ({"height": 9000}, "height: "),
        ({"fps": "25/0"}, "fps: a frame rate is a whole number, or a fraction"),
        ({"fps": True}, "fps: a number is wanted, not true or false"),
        ({"duration": 0.05}, "1.250 frames at 25 frames a second; a whole number is needed, such as 0.04 s (1 frames)"),
        ({"duration": 4000}, "duration: "),
        ({"background": "red"}, "background: "),
        ({"colour": "#000000"}, "colour: "),
        ({"layers": [TEXT, {**TEXT, "size": "-4%"}]}, "layers[1].size: it must be more than nothing"),
        ({"layers": [{**TEXT, "size": {"min": "9%", "max": "4%"}}]}, "layers[0].size: min, 9%, is larger than max, 4%"),
        ({"layers": [{**TEXT, "size": {"least": "9%"}}]}, "layers[0].size.least: "),
        ({"layers": [{**TEXT, "outline": {"width": "thick"}}]}, "layers[0].outline.width: a length is a number"),
        ({"layers": [{"kind": "film"}]}, "layers[0]: "),
        (
            {"layers": [{"kind": "logo", "input": "brand"}]},
            "layers[0].input: there is no input 'brand'; there are film",
        ),
        ({"layers": [{**TEXT, "fonts": ["brand"]}]}, "layers[0].fonts[0]: there is no input 'brand'"),
        ({"layers": [{**TEXT, "start": -1}]}, "layers[0].start: "),
        ({"layers": [{**TEXT, "start": 1, "end": 1}]}, "layers[0].end: 1 s is not after its start, at 1 s"),
        ({"layers": [{**TEXT, "end": 3}]}, "layers[0].end: 3 s is after the end, at 2 s"),
        (
            {"layers": [{"kind": "end_card", "start": 1, "layers": [{**TEXT, "start": 1.5}]}]},
            "layers[0].layers[0].start: 1.5 s is not before the end, at 1 s",
        ),
        ({"layers": [{"kind": "video", "input": "film"}] * 9}, "9 layers of kind video; at most 8 are taken"),
        ({"layers": [TEXT] * 65}, "layers: "),
        (
            {"layers": [{"kind": "image", "input": "logo", "crop": {"left": 60, "right": 60}}]},
            "layers[0].crop: nothing",
        ),
        ({"sounds": [{"input": "film", "duck": {"under": 0}}]}, "sounds[0].duck.under: 0 is no other sound"),
        ({"sounds": [{"input": "film", "gain_db": 90}]}, "sounds[0].gain_db: "),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], told: str) -> None:
    assert told in refused(**changes)


def test_checked_settings_are_json_and_stay_as_they_are() -> None:
    operator = Composite()
    layers: JsonValue = [
        {**TEXT, "size": 40},
        {"kind": "end_card", "start": 1, "layers": [{"kind": "qr", "content": "x"}]},
    ]
    once = operator.check({**SMALL, "fps": 25, "layers": layers}, ["film"])
    assert once["fps"] == "25"
    assert json.loads(json.dumps(once)) == once
    assert operator.check(once, ["film"]) == once


@pytest.mark.parametrize(("duration", "frames", "samples"), [(6.006, 180, 288_288), (6.039367, 181, 289_890)])
def test_a_time_names_a_frame_of_a_rate_that_is_a_fraction(duration: float, frames: int, samples: int) -> None:
    settings = checked({**SMALL, "fps": "30000/1001", "duration": duration}, [])
    assert (settings.frames, settings.sample_at(settings.frames)) == (frames, samples)


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        ({"width": "9999%"}, "layers[0].width: 9999% is too long; at most 200% of 64 pixels are taken"),
        ({"shadow": {"blur": 4000}}, "layers[0].shadow.blur: 4000.0 is too long"),
        ({"box": {"padding": "-5%"}}, "layers[0].box.padding: -5% is negative"),
    ],
)
def test_lengths_that_would_only_take_memory_are_refused(layer: dict[str, Any], told: str) -> None:
    assert told in refused(layers=[{**TEXT, **layer}])

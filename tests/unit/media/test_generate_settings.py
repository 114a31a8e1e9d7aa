"""What `generate` refuses before anything is queued, and the walk of its clips."""

import itertools

import numpy as np
import pytest

from stream.errors import BadRequest, Unavailable
from stream.media.generate.operator import Generate
from stream.media.generate.walk import walk


@pytest.mark.parametrize(
    ("model", "prompt", "told"),
    [
        ("label-gan", "a secretword on a green horse", r"words 2, 3, 6 of it mean nothing.*amber, blue"),
        ("label-gan", "a painted eye", "names none of them"),
        ("label-gan", "a green or blue eye", "word 3 of it means nothing"),
        ("label-gan", "green and blue", "word 2 of it"),
        ("label-gan", "green blue", "names 2 of them"),
        ("terrain-consistency", "a green eye", "gentle, moderate, hard, extreme"),
    ],
)
def test_a_prompt_that_cannot_be_is_refused_with_what_can(model: str, prompt: str, told: str) -> None:
    with pytest.raises(BadRequest, match=told) as caught:
        Generate().check({"model": model, "prompt": prompt}, ())
    assert caught.value.code == "prompt_not_possible"
    assert "secretword" not in caught.value.message


@pytest.mark.parametrize(("prompt", "colour"), [("A painted GREY eye", "gray"), ("eye: red!", "red")])
def test_words_are_found_in_any_writing(prompt: str, colour: str) -> None:
    same = Generate().check({"model": "label-gan", "prompt": prompt}, ())
    assert same["prompt"] == prompt
    assert Generate().check({"model": "label-gan", "prompt": colour}, ())["frames"] == 50


@pytest.mark.parametrize(
    ("settings", "inputs", "told"),
    [
        ({"model": "text-to-video", "prompt": "red"}, (), "label-gan, terrain-consistency"),
        ({"prompt": "red"}, (), "model: "),
        ({"model": "label-gan"}, (), "prompt: "),
        ({"model": "label-gan", "prompt": "red", "frames": 1_000_000}, (), "frames: "),
        ({"model": "label-gan", "prompt": "red", "frames": True}, (), "frames: "),
        ({"model": "label-gan", "prompt": "red", "fps": "0"}, (), "fps: "),
        ({"model": "label-gan", "prompt": "red"}, ("source",), "inputs: "),
        ({"model": "label-gan", "prompt": "secretword " * 400}, (), "prompt: "),
    ],
)
def test_wrong_settings_name_their_field(settings: dict[str, object], inputs: tuple[str, ...], told: str) -> None:
    with pytest.raises(BadRequest, match=told) as caught:
        Generate().check(settings, inputs)  # type: ignore[arg-type]  # whatever a template may hold
    assert caught.value.code == "template_invalid"
    assert "secretword" not in caught.value.message


def test_weights_that_are_not_fetched_are_said_before_anything_is_made() -> None:
    settings = Generate().check({"model": "label-gan", "prompt": "red"}, ())
    with pytest.raises(Unavailable, match="run `rushes weights fetch label-gan`") as caught:
        Generate().toolchain(settings)
    assert caught.value.code == "toolchain_lacks"


def test_a_walk_is_smooth_and_the_same_whoever_makes_which_part() -> None:
    whole = list(walk(7, (100,), 0, 60, 20))
    assert all(np.array_equal(one, other) for one, other in zip(whole[25:40], walk(7, (100,), 25, 15, 20), strict=True))
    steps = [float(np.linalg.norm(after - before)) for before, after in itertools.pairwise(whole)]
    far = float(np.linalg.norm(whole[20] - whole[0]))
    assert max(steps) < far / 8
    assert not np.array_equal(whole[0], next(walk(8, (100,), 0, 1, 20)))
    assert all(8 < float(np.linalg.norm(noise)) < 12 for noise in whole)

"""Styled films: each picture goes on from the one before, in any division into parts, and not across a cut."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import JsonValue

from models.weights.fetch import WeightsCache
from stream.errors import BadMedia, BadRequest
from stream.media.frames.networks import session
from stream.media.restyle.operator import Restyle
from stream.media.restyle.painting import MANY, PIN
from stream.media.restyle.settings import checked_style
from stream.media.restyle.styles import STYLES, weights
from tests.support.media_examples import made, operator_beside, work
from tests.support.moving_pictures import moving, psnr, shown, write_film

Restyled = Callable[..., tuple[list[Any], Mapping[str, Any]]]


@pytest.fixture
def restyled(require_weights: Callable[..., None], tmp_path: Path) -> Restyled:
    """`restyled(pictures, **settings)`: the pictures of the result, and what is told of its flicker."""
    require_weights("styletransfer")
    operator = operator_beside("restyle", tmp_path)

    def run(pictures: list[Any], /, *, like: Path | None = None, **settings: JsonValue) -> tuple[list[Any], Any]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        inputs = {"film": write_film(folder / "s.mkv", pictures, pix_fmt="yuv444p")}
        if like is not None:
            inputs["painting"] = like
        task = work(operator, settings, inputs, folder / "work")
        files = made(operator, task)
        return shown(task.folder / "picture.mkv"), json.loads(files["flicker.json"])

    return run


def test_it_flickers_less_where_pictures_go_on_from_the_one_before(restyled: Restyled) -> None:
    film = [moving(k) for k in range(6)]
    steady, told = restyled(film, style="blue-night")
    alone, untouched = restyled(film, style="blue-night", steady=0)
    assert told["pairs"] == untouched["pairs"] == 5
    assert untouched["steadied"] == untouched["styled"] == told["styled"]
    assert told["source"] < told["steadied"] < 0.65 * told["styled"]
    # The first picture has no past, and the others are still of the style.
    assert np.array_equal(steady[0], alone[0]) and not np.array_equal(steady[5], alone[5])
    assert psnr(steady[5], alone[5]) > psnr(steady[5], film[5]) + 5


def test_a_cut_has_no_past(restyled: Restyled) -> None:
    film = [moving(k) for k in range(2)] + [moving(k, scene=1) for k in range(2)]
    steady, told = restyled(film, style="woodcut", steady=0.8)
    alone, _ = restyled(film, style="woodcut", steady=0)
    assert [np.array_equal(*pair) for pair in zip(steady, alone, strict=True)] == [True, False, True, False]
    assert told["pairs"] == 2


def test_the_seams_of_parts_cannot_be_seen(restyled: Restyled) -> None:
    film = [moving(k) for k in range(8)]
    whole, told = restyled(film, style="tempera")
    parted, told_too = restyled(film, style="tempera", part_frames=6)
    assert all(np.array_equal(*pair) for pair in zip(whole[:6], parted[:6], strict=True))
    # A 64th of the difference between two pictures, of which a level of 255 is left at most.
    assert np.abs(whole[6].astype(int) - parted[6]).mean() < 0.5
    assert told_too["pairs"] == told["pairs"] == 7


def test_a_part_says_how_far_it_looks_back(require_weights: Callable[..., None], tmp_path: Path) -> None:
    require_weights("styletransfer")
    operator = operator_beside("restyle", tmp_path)
    source = write_film(tmp_path / "s.mkv", (moving(k) for k in range(9)))
    task = work(operator, {"style": "woodcut", "part_frames": 4}, {"source": source}, tmp_path / "work")
    assert [part["lead_in"] for part in operator.divide(task)] == [0, 4, 6]


def test_strength_mixes_with_the_source(restyled: Restyled) -> None:
    film = [moving(k) for k in range(2)]
    result, _ = restyled(film, style="red-ember", strength=0)
    assert psnr(result[1], film[1]) > 45
    assert result[1].shape == film[1].shape


def test_a_picture_can_be_the_style(restyled: Restyled, tmp_path: Path) -> None:
    film = [moving(k) for k in range(2)]
    pictures = {"red.png": (220, 30, 20), "blue.png": (20, 40, 220)}
    for name, colour in pictures.items():
        stripes = np.where(np.arange(300)[:, None, None] // 12 % 2, np.array(colour), 255 - np.array(colour) // 3)
        Image.fromarray(np.broadcast_to(stripes, (300, 300, 3)).astype(np.uint8)).save(tmp_path / name)
    red, blue = (restyled(film, picture="painting", like=tmp_path / name)[0][1] for name in pictures)
    assert red.shape == film[1].shape
    # Red less blue: each result takes after its own painting.
    assert np.mean(red[..., 0].astype(int) - red[..., 2]) > np.mean(blue[..., 0].astype(int) - blue[..., 2]) + 20


@pytest.mark.parametrize("content", [b"", b"P6 9 9 255 ", b"\x89PNG\r\n\x1a\n" + bytes(90)])
def test_hostile_pictures_are_refused_in_words(restyled: Restyled, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(BadMedia, match="painting") as caught:
        restyled([moving(0)], picture="painting", like=tmp_path / "bad.png")
    assert caught.value.code == "bad_image"


def test_each_style_is_another_one(require_weights: Callable[..., None], weights_cache: WeightsCache) -> None:
    require_weights(PIN)
    network = session(weights_cache.files(PIN)[MANY])
    given = moving(0)[:64, :96].transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
    shares = [np.array(weights({name: 1}), np.float32) for name in STYLES]
    results = [network.run(None, {"image": given, "style_weights": each})[0] for each in shares]
    apart = [np.abs(one - other).mean() for place, one in enumerate(results) for other in results[:place]]
    assert len(results) == 26 and min(apart) > 4 / 255


def test_a_blend_has_shares_that_are_one_together() -> None:
    shares = weights({"woodcut": 3, "pale-blue": 1})
    assert (shares[STYLES.index("woodcut")], shares[STYLES.index("pale-blue")]) == (0.75, 0.25)
    assert sum(shares) == 1


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "style: give one of"),
        ({"style": "woodcut", "picture": "b"}, "style: give one of"),
        ({"style": "van-gogh"}, "style: there is no style 'van-gogh'; there are beach-chalk"),
        ({"styles": {}}, "styles: give at least one"),
        ({"styles": {"woodcut": 0}}, "styles.woodcut: "),
        ({"styles": {"woodcut": 1, "x": 1}}, "styles: there is no style 'x'"),
        ({"picture": "c"}, "picture: there is no input 'c'"),
        ({"style": "woodcut", "steady": 0.9}, "steady: "),
        ({"style": "woodcut", "lines": 4000}, "lines: "),
    ],
)
def test_what_is_wrong_is_named(settings: Mapping[str, JsonValue], told: str) -> None:
    with pytest.raises(BadRequest) as caught:
        checked_style(settings, ["a", "b"] if "picture" in settings else ["a"])
    assert caught.value.message.startswith(told)


def test_the_film_is_the_input_that_is_not_the_picture() -> None:
    assert Restyle().check({"picture": "b"}, ["a", "b"])["input"] == "a"

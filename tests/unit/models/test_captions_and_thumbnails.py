"""Template captions, thumbnails and picture geometry."""

import numpy as np
import pytest

from models.captions.captioners import template_caption
from models.pictures.geometry import resized_crop, unit_rows
from models.pictures.thumbnails import from_jpeg, jpeg


@pytest.mark.parametrize(
    ("labels", "caption"),
    [
        ([], "Nothing recognised."),
        (["dog"], "Possibly dog."),
        (["dog", "ball"], "Possibly dog and ball."),
        (["dog", "ball", "tree", "cat"], "Possibly dog, ball and tree."),
    ],
)
def test_template_captions_say_no_more_than_the_tags(labels: list[str], caption: str) -> None:
    assert template_caption([(label, 0.5) for label in labels]) == caption


@pytest.mark.parametrize(
    ("size", "expected"), [((640, 360), (320, 180)), ((256, 512), (160, 320)), ((100, 50), (100, 50))]
)
def test_thumbnails_keep_their_shape_and_are_never_enlarged(size: tuple[int, int], expected: tuple[int, int]) -> None:
    picture = np.full((size[1], size[0], 3), (200, 60, 30), np.uint8)
    data = jpeg(picture)
    back = from_jpeg(data)
    assert data[:2] == b"\xff\xd8"
    assert back.shape == (expected[1], expected[0], 3)
    assert np.abs(back.astype(int) - (200, 60, 30)).max() < 6


@pytest.mark.parametrize("shape", [(90, 160), (160, 90), (256, 2000), (20, 20)])
def test_the_crop_is_the_middle(shape: tuple[int, int]) -> None:
    height, width = shape
    rows, columns = np.mgrid[0:height, 0:width]
    picture = np.stack([rows * 255 / height, columns * 255 / width, np.zeros(shape)], axis=-1).astype(np.uint8)
    cropped = resized_crop(picture, resize=256, crop=224)
    assert cropped.shape == (224, 224, 3)
    middle = cropped[112, 112].astype(int)
    assert np.abs(middle[:2] - 127).max() <= 8


def test_unit_rows_leave_zero_alone() -> None:
    rows = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0.0, 0.0]], atol=1e-7)

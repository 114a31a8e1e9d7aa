"""What runs on an accelerator, run on the CPU: staging, padding, colours, work side by side, and where models go."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.testbed.cells import BLUE, GREEN, GREY, HEIGHT, RED, WIDTH, cell
from models.bundle import Bundle
from models.device.batches import PictureBatches
from models.device.device import device_for, ready_device
from models.pictures.colour import images_of
from models.pictures.colour_device import DeviceColour
from models.protocol import Floats, Image
from models.registry import ModelContext, load
from stream.clock import ManualClock
from stream.errors import Fatal
from stream.events.annotations import ModelStamp
from stream.events.frames import Colour, Sample
from stream.pipelines.settings import ModelChoice, Settings
from stream.pipelines.understanding import Understanding

SIDE = 4


def pictures(count: int) -> list[Image]:
    rng = np.random.default_rng(count)
    return [rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8) for _ in range(count)]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7])
def test_batches_are_whole_and_rows_are_in_order(count: int) -> None:
    shapes: list[tuple[int, ...]] = []

    def forward(batch: Any) -> Sequence[Any]:
        shapes.append(tuple(batch.shape))
        return batch.float().mean((1, 2, 3)), batch[:, 0, 0].float()

    images = pictures(count)
    batches = PictureBatches(forward, prepare=np.flipud, device="cpu", batch=3, side=SIDE, threads=2)
    means, corners = batches.run(iter(images))
    batches.close()
    np.testing.assert_allclose(means, [image.mean() for image in images], atol=1e-3)
    np.testing.assert_array_equal(corners, np.array([image[-1, 0] for image in images]).reshape(-1, 3))
    assert set(shapes) == {(3, SIDE, SIDE, 3)}


@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize("full_range", [False, True])
def test_colours_are_within_a_level_of_the_other_path(matrix: Any, full_range: bool) -> None:
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 256, (3, WIDTH * HEIGHT * 3 // 2), dtype=np.uint8)
    samples = [Sample(time_ns=at, pts=at, kind="grid", yuv=row.tobytes()) for at, row in enumerate(noise)]
    frames = replace(cell([(0, RED)]), samples=samples, colour=Colour(matrix=matrix, full_range=full_range))
    convert = DeviceColour("cpu")
    for count in (2, 3, 1):  # the buffer grows, and is longer than what it holds
        some = replace(frames, samples=samples[:count])
        left, right = np.array(convert(some), int), np.array(images_of(some), int)
        assert left.shape == (count, HEIGHT, WIDTH, 3)
        assert np.abs(left - right).max() <= 1


def test_high_dynamic_range_has_one_definition() -> None:
    frames = replace(cell([(0, RED), (5, GREY)]), colour=Colour(matrix="bt2020", transfer="pq"))
    np.testing.assert_array_equal(DeviceColour("cpu")(frames), images_of(frames))


FAMILIES = ("shots", "tagger", "moderator", "embedder")


def bundle_on(device: str, **replaced: Any) -> Bundle:
    context = ModelContext.of(Path())
    models = {family: load(family, "hashing", context) for family in FAMILIES} | replaced
    return Bundle(*models.values(), device=device)


def test_work_side_by_side_changes_no_row() -> None:
    """`meta` is no CPU, so the bundle takes the accelerator's way; colours are converted on the CPU all the same."""
    cells = [cell([(0, RED), (3, BLUE)]), cell([(0, GREEN)], profile="fast", asset_id="b")]
    beside = bundle_on("meta")
    beside._images = DeviceColour("cpu")
    for left, right in zip(
        beside.annotate(cells, epoch_ms=1), bundle_on("cpu").annotate(cells, epoch_ms=1), strict=True
    ):
        assert left.header == right.header
        assert left.rows.drop_columns(["thumbnail", "vector"]) == right.rows.drop_columns(["thumbnail", "vector"])
        np.testing.assert_allclose(left.rows["vector"].to_pylist(), right.rows["vector"].to_pylist(), atol=5e-3)


class Meeting:
    """A moderator that waits for the tagger to be at work too, and fails when told to."""

    def __init__(self, barrier: threading.Barrier, *, fails: bool = False) -> None:
        self._barrier = barrier
        self._fails = fails

    def stamp(self) -> ModelStamp:
        return ModelStamp(role="moderation", name="meeting", version="1", digest="d")

    def open(self) -> None: ...
    def close(self) -> None: ...

    def nsfw(self, images: Sequence[Image]) -> Floats:
        self._barrier.wait(20)
        if self._fails:
            raise RuntimeError("no score")
        return np.zeros(len(images), np.float32)

    def cut_probabilities(self, dense: Any) -> Floats:
        self._barrier.wait(20)
        return np.zeros(len(dense), np.float32)


def test_shots_and_moderation_meet_on_an_accelerator() -> None:
    barrier = threading.Barrier(2)
    beside = bundle_on("meta", shots=Meeting(barrier), moderator=Meeting(barrier))
    beside._images = images_of
    (made,) = beside.annotate([cell([(0, RED)])], epoch_ms=1)
    assert made.rows["moderation_nsfw"].to_pylist() == [0.0]


def test_an_error_beside_is_an_error() -> None:
    beside = bundle_on("meta", moderator=Meeting(threading.Barrier(1), fails=True))
    beside._images = images_of
    with pytest.raises(RuntimeError, match="no score"):
        beside.annotate([cell([(0, RED)])], epoch_ms=1)


def test_auto_goes_by_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = tmp_path / "nvidiactl"
    monkeypatch.setattr("models.device.device.NVIDIA_DRIVER", driver)
    assert [device_for(choice) for choice in ("auto", "cpu", "cuda")] == ["cpu", "cpu", "cuda"]
    driver.touch()
    assert [device_for(choice) for choice in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused_readably() -> None:
    with pytest.raises(Fatal, match="finds no CUDA device") as refused:
        ready_device(ModelContext.of(Path(), device="cuda"))
    assert refused.value.code == "no_device"


@pytest.mark.parametrize(("device", "records", "gpus"), [("cpu", 1, 0), ("cuda", 16, 1)])
def test_cells_are_batched_on_an_accelerator_only(device: Any, records: int, gpus: int, tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, cache_dir=tmp_path, models=ModelChoice.light(), model_device=device)
    (stage,) = (
        stage
        for stage in Understanding(settings, ManualClock(), epoch_ms=1).topology().stages
        if stage.name == "understand"
    )
    assert stage.batch.max_records == records
    assert stage.resources.gpus == gpus

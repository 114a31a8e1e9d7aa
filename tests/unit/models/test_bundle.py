"""Cells to annotated cells, with models that cost nothing."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.testbed.cells import BLUE, GREEN, GREY, RED, cell
from models.bundle import Bundle
from models.captions.recaption import ThumbnailCaptions
from models.hashing import HashingCaptioner
from models.pictures.thumbnails import from_jpeg
from models.protocol import Image, Predictions
from models.registry import ModelContext, load
from stream.errors import BadMedia
from stream.events.annotations import Annotations, ModelStamp
from stream.events.frames import Frames
from stream.events.grid import SECOND_NS, SEGMENT_NS
from stream.events.ids import moment_id

FAMILIES = ("shots", "tagger", "moderator", "embedder")


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Bundle]:
    context = ModelContext.of(tmp_path)
    made = Bundle(*(load(family, "hashing", context) for family in FAMILIES))
    made.open()
    yield made
    made.close()


def one(bundle: Bundle, frames: Frames) -> Annotations:
    (made,) = bundle.annotate([frames], epoch_ms=9)
    return made


def ranges(made: Annotations) -> list[tuple[float, float, bool, bool]]:
    return [
        (row["start_ns"] / SECOND_NS, row["end_ns"] / SECOND_NS, row["starts_at_cut"], row["ends_at_cut"])
        for row in made.rows.to_pylist()
    ]


def test_a_cut_makes_two_moments(bundle: Bundle) -> None:
    made = one(bundle, cell([(0, RED), (4.2, BLUE)]))
    assert ranges(made) == [(0, 4.2, False, True), (4.2, 10, True, False)]
    assert made.header.cuts_ns == (4_200_000_000,)
    assert made.header.shot_method == "hashing"
    assert made.rows["sample_count"].to_pylist() == [4, 6]
    assert made.rows["moment_id"].to_pylist() == [
        moment_id(made.header.segment_id, start) for start in made.rows["start_ns"].to_pylist()
    ]


def test_a_cut_between_two_cells_is_told_by_both(bundle: Bundle) -> None:
    scenes = [(0.0, RED), (10.0, GREEN)]
    first, second = bundle.annotate([cell(scenes, segment=k, seconds=20) for k in range(2)], epoch_ms=9)
    assert ranges(first) == [(0, 10, False, True)]
    assert ranges(second) == [(10, 20, True, False)]
    assert first.header.cuts_ns == (SEGMENT_NS,)
    assert second.header.cuts_ns == (SEGMENT_NS,)


@pytest.mark.parametrize(("cut_s", "ends", "starts"), [(9.96, False, False), (10.04, False, False), (10.0, True, True)])
def test_only_a_cut_on_the_edge_is_told_by_both_cells(bundle: Bundle, cut_s: float, ends: bool, starts: bool) -> None:
    first, second = bundle.annotate(
        [cell([(0.0, RED), (cut_s, GREEN)], segment=k, seconds=20) for k in range(2)], epoch_ms=9
    )
    assert ranges(first)[-1][3] == ends
    assert ranges(second)[0][2] == starts
    assert len(ranges(first)) + len(ranges(second)) == 2 + (cut_s != 10.0)


def test_the_first_picture_is_no_cut(bundle: Bundle) -> None:
    """Whatever a detector makes of the context before it."""
    plain = cell([(0.0, RED)], seconds=20)
    assert plain.dense is not None
    dense = plain.dense.copy()
    dense[:25] = GREEN
    made = one(bundle, dataclasses.replace(plain, dense=dense))
    assert ranges(made) == [(0, 10, False, False)]
    assert made.header.cuts_ns == ()


@pytest.mark.parametrize("seconds", [0.04, 1.0, 3.97, 6.0, 10.0])
def test_the_last_cell_ends_with_the_asset_and_not_at_a_cut(bundle: Bundle, seconds: float) -> None:
    made = one(bundle, cell([(0, RED)], seconds=seconds))
    assert ranges(made) == [(0, seconds, False, False)]
    assert made.header.cuts_ns == ()
    assert made.header.end_ns == round(seconds * SECOND_NS)


def test_what_lies_past_the_end_of_a_short_cell_is_no_footage(bundle: Bundle) -> None:
    plain = cell([(0, RED), (1, BLUE)], seconds=3)
    assert plain.dense is not None
    dense = plain.dense.copy()
    dense[25 + 75 :] = GREEN
    poisoned = dataclasses.replace(plain, dense=dense)
    assert one(bundle, poisoned).header.cuts_ns == one(bundle, plain).header.cuts_ns == (SECOND_NS,)


def test_without_a_dense_view_there_are_no_shots_and_it_says_so(bundle: Bundle) -> None:
    made = one(bundle, cell([(0, RED), (4, BLUE)], profile="fast"))
    assert ranges(made) == [(0, 10, False, False)]
    assert made.header.shot_method == "none"
    assert made.header.profile == "fast"
    assert made.header.cuts_ns == ()


def test_a_cell_without_samples_is_bad_media(bundle: Bundle) -> None:
    empty = dataclasses.replace(cell([(0, RED)], segment=1, seconds=20), samples=[])
    with pytest.raises(BadMedia) as bad:
        bundle.annotate([cell([(0, RED)]), empty], epoch_ms=9)
    assert bad.value.code == "no_samples"
    assert bad.value.segments == (1,)


def test_only_tags_above_the_gate_are_told(bundle: Bundle) -> None:
    rows = one(bundle, cell([(0, RED), (3, GREEN), (6, GREY)])).rows.to_pylist()
    assert [row["tags"][0]["label"] for row in rows] == ["red", "green", "grey"]
    assert [row["caption"] for row in rows] == ["Possibly red.", "Possibly green.", "Possibly grey."]
    for row in rows:
        scores = [tag["score"] for tag in row["tags"]]
        assert all(score >= 0.15 for score in scores)
        assert scores == sorted(scores, reverse=True)
        assert [tag["label"] for tag in row["tags"]] == row["text"].split()


class Fixed:
    """A tagger that says the same of every picture."""

    labels = tuple("abcdefghijkl")

    def __init__(self, row: list[float]) -> None:
        self._row = np.array(row, np.float32)

    def stamp(self) -> ModelStamp:
        return ModelStamp(role="tags", name="fixed", version="1", digest="d")

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def predict(self, images: Sequence[Image]) -> Predictions:
        return Predictions(np.tile(self._row, (len(images), 1)), np.zeros((len(images), 1), np.float32))


@pytest.mark.parametrize(
    ("row", "labels"),
    [
        ([1 / 12] * 12, []),
        ([0.14, 0.16, 0.70] + [0.0] * 9, ["c", "b"]),
    ],
)
def test_an_unsure_tagger_gives_no_tag_and_no_searchable_text(
    bundle: Bundle, row: list[float], labels: list[str]
) -> None:
    mixed = Bundle(bundle.shots, Fixed(row), bundle.moderator, bundle.embedder)
    (made,) = one(mixed, cell([(0, RED)])).rows.to_pylist()
    assert [tag["label"] for tag in made["tags"]] == labels
    assert made["text"] == " ".join(labels)
    assert made["caption_method"] == "template"
    assert bool(labels) == made["caption"].startswith("Possibly")


def test_template_captions_are_not_searchable_text(bundle: Bundle) -> None:
    for row in one(bundle, cell([(0, RED), (5, GREY)])).rows.to_pylist():
        assert row["caption_method"] == "template"
        assert "Possibly" in row["caption"]
        assert "Possibly" not in row["text"]


def test_a_moments_vector_is_the_normalised_mean_of_its_samples(bundle: Bundle) -> None:
    frames = cell([(0, RED), (2, GREEN)], profile="fast", seconds=5)
    (row,) = one(bundle, frames).rows.to_pylist()
    parts = [one(bundle, dataclasses.replace(frames, samples=[sample])) for sample in frames.samples]
    mean = np.mean([part.rows["vector"][0].as_py() for part in parts], axis=0)
    np.testing.assert_allclose(row["vector"], mean / np.linalg.norm(mean), atol=1e-6)
    # Three of five samples are green, so is the one nearest the mean.
    assert row["thumbnail_time_ns"] in [2_500_000_000, 3_500_000_000, 4_500_000_000]
    assert from_jpeg(row["thumbnail"])[..., 1].mean() > 150


def test_moderation_is_the_worst_sample(bundle: Bundle) -> None:
    skin = (220, 150, 110)
    rows = one(bundle, cell([(0, BLUE), (9, skin)], profile="fast")).rows.to_pylist()
    assert [row["moderation_nsfw"] for row in rows] == [1.0]
    rows = one(bundle, cell([(0, BLUE)], profile="fast")).rows.to_pylist()
    assert [row["moderation_nsfw"] for row in rows] == [0.0]


def test_neighbours_change_nothing(bundle: Bundle) -> None:
    cells = [
        cell([(0, RED), (3, BLUE)], asset_id="a"),
        cell([(0, GREEN)], seconds=1.5, asset_id="b"),
        cell([(0, GREY), (12, RED), (18, GREEN)], segment=1, seconds=25, asset_id="c"),
        cell([(0, BLUE)], profile="fast", asset_id="d"),
    ]
    together = bundle.annotate(cells, epoch_ms=9)
    backwards = bundle.annotate(cells[::-1], epoch_ms=9)[::-1]
    for frames, left, right in zip(cells, together, backwards, strict=True):
        alone = one(bundle, frames)
        assert left.to_bytes() == alone.to_bytes() == right.to_bytes()
    assert bundle.annotate([], epoch_ms=9) == []


def test_rows_survive_the_wire_and_the_way_to_it(bundle: Bundle) -> None:
    frames = cell([(0, RED), (4, BLUE)])
    made = one(bundle, frames)
    assert one(bundle, Frames.from_bytes(frames.to_bytes())).to_bytes() == made.to_bytes()
    assert Annotations.from_bytes(made.to_bytes()).header == made.header


def test_provenance_names_every_model_and_stage(bundle: Bundle) -> None:
    frames = cell([(0, RED)])
    header = one(bundle, frames).header
    assert [stamp.role for stamp in header.models] == ["shots", "tags", "moderation", "embedding"]
    assert header.models == bundle.stamps
    assert header.stage_digests == {"decode": frames.span.settings.digest(), "understand": bundle.digest}
    assert (header.epoch_ms, header.revision, header.space) == (9, 0, bundle.embedder.space)
    assert header.labels == {"desk": "sport"}
    assert header.segment_id == frames.segment_id
    assert header.media == frames.span.media


def test_a_damaged_cell_says_so(bundle: Bundle) -> None:
    assert one(bundle, dataclasses.replace(cell([(0, RED)]), damaged=True)).header.damaged
    assert not one(bundle, cell([(0, RED)])).header.damaged


def test_recaptioning_is_the_same_rows_in_the_next_revision(bundle: Bundle, tmp_path: Path) -> None:
    made = one(bundle, cell([(0, RED), (4, (250, 250, 250))]))
    captions = ThumbnailCaptions(HashingCaptioner(ModelContext.of(tmp_path)))
    captions.open()
    again = Annotations.from_bytes(captions.recaption(made).to_bytes())
    captions.close()
    assert again.header.order > made.header.order
    assert again.header.revision == 1
    assert again.header.models[:-1] == made.header.models
    assert again.header.models[-1].role == "captions"
    assert again.header.stage_digests.items() > made.header.stage_digests.items()
    before, after = made.rows.to_pylist(), again.rows.to_pylist()
    assert [row["caption"] for row in after] == ["a dark picture", "a bright picture"]
    for old, new in zip(before, after, strict=True):
        assert new["caption_method"] == "hashing"
        assert new["text"] == f"{old['text']} {new['caption']}"
        changed = {"caption", "caption_method", "text"}
        assert {name: new[name] for name in new if name not in changed} == {
            name: old[name] for name in old if name not in changed
        }


def test_an_empty_cell_recaptions_to_an_empty_cell(bundle: Bundle, tmp_path: Path) -> None:
    made = one(bundle, cell([(0, RED)]))
    receipt = Annotations(made.header, made.rows.slice(0, 0))
    again = ThumbnailCaptions(HashingCaptioner(ModelContext.of(tmp_path))).recaption(receipt)
    assert again.rows.num_rows == 0
    assert Annotations.from_bytes(again.to_bytes()).header.revision == 1

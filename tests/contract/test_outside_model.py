"""The recipe "Add a model" of CONTRIBUTING: one file, one registry line or none, proven from outside the tree."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import models
from benchmarks.testbed.cells import BLUE, RED, cell
from models.bundle import Bundle
from models.registry import ModelContext, load
from stream.errors import Fatal
from stream.events.annotations import Annotations

MODULE = '''
import numpy as np

from models.protocol import Predictions
from stream.events.annotations import ModelStamp


class Warmth:
    """Whether a picture is warm or cold, with an argument-free context."""

    labels = ("warm", "cold")

    def __init__(self, context):
        self.threads = context.threads
        self.opened = False

    def stamp(self):
        return ModelStamp(role="tags", name="warmth", version="7", digest="d1")

    def open(self):
        self.opened = True

    def close(self):
        self.opened = False

    def predict(self, images):
        assert self.opened
        warm = np.array([image[..., 0].mean() >= image[..., 2].mean() for image in images], np.float32)
        both = np.stack([warm, 1 - warm], axis=1).reshape(-1, 2).astype(np.float32)
        return Predictions(both, both)
'''


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """`warmth_pkg.model` on the path, in no way known to the package."""
    package = tmp_path / "warmth_pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "model.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield "warmth_pkg.model:Warmth"
    for name in ("warmth_pkg", "warmth_pkg.model"):
        sys.modules.pop(name, None)


def annotated(tagger: str, context: ModelContext) -> Annotations:
    names = {"shots": "hashing", "tagger": tagger, "moderator": "hashing", "embedder": "hashing"}
    bundle = Bundle(*(load(family, name, context) for family, name in names.items()))
    bundle.open()
    (made,) = bundle.annotate([cell([(0, RED), (4, BLUE)])], epoch_ms=5)
    bundle.close()
    return Annotations.from_bytes(made.to_bytes())


def check(made: Annotations) -> None:
    rows = made.rows.to_pylist()
    assert [[tag["label"] for tag in row["tags"]] for row in rows] == [["warm"], ["cold"]]
    assert [row["caption"] for row in rows] == ["Possibly warm.", "Possibly cold."]
    assert [row["start_ns"] for row in rows] == [0, 4_000_000_000]
    assert ("tags", "warmth", "7", "d1") in [(s.role, s.name, s.version, s.digest) for s in made.header.models]


def test_a_model_outside_the_tree_needs_no_line(outside: str, model_context: ModelContext) -> None:
    check(annotated(outside, model_context))


def test_one_registry_line_gives_it_a_name(
    outside: str, model_context: ModelContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Fatal, match="no tagger 'warmth'"):
        load("tagger", "warmth", model_context)
    monkeypatch.setitem(models.TAGGERS, "warmth", outside)
    check(annotated("warmth", model_context))


def test_its_weights_are_part_of_the_stage_digest(outside: str, model_context: ModelContext) -> None:
    mine, light = annotated(outside, model_context), annotated("hashing", model_context)
    assert mine.header.stage_digests["understand"] != light.header.stage_digests["understand"]
    assert mine.header.stage_digests["decode"] == light.header.stage_digests["decode"]
    assert mine.header.segment_id == light.header.segment_id

"""The example campaign `docs/examples/ads`: its assets are drawn, every variant is accepted, and frames show what they
should.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from stream.errors import BadRequest
from stream.jobs.expansion import StageOfVariant, Variant, stage_of, variants
from stream.jobs.substitution import value_id
from stream.jobs.template import Template
from stream.media.catalogue import OperatorCatalogue
from stream.media.composite.canvas import to_rgb
from stream.media.composite.operator import Composite
from stream.media.composite.renderer import frames
from stream.media.composite.settings import CompositeSettings
from stream.media.transcode.operator import Transcode
from stream.pipelines.jobs import models_in

ADS = Path(__file__).resolve().parents[2] / "docs" / "examples" / "ads"
TEMPLATE = Template.read((ADS / "template.yaml").read_bytes())


def stages() -> Iterator[tuple[StageOfVariant, StageOfVariant, Variant]]:
    """The last two stages of each variant."""
    for variant in variants(TEMPLATE):
        _, compose, film = (stage_of(stage, index, variant, TEMPLATE) for index, stage in enumerate(TEMPLATE.stages))
        yield compose, film, variant


def ids(variant: Variant) -> set[object]:
    return {value_id(value) for value in variant.row.values()}


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("ads")
    subprocess.run([sys.executable, ADS / "draw_assets.py", folder / "assets"], check=True, capture_output=True)
    files = {name: Path(path) for name, path in TEMPLATE.assets.items()}
    return {name: (folder if path.parts[0] == "assets" else ADS) / path for name, path in files.items()}


def test_every_variant_is_accepted_and_its_inputs_are_there(assets: Mapping[str, Path]) -> None:
    checked = 0
    for compose, film, _ in stages():
        assert all(assets[source.name].is_file() for source in compose.inputs.values() if source.kind == "asset")
        settings = Composite().check(compose.settings, sorted(compose.inputs))
        assert settings["duration"] in {6, 10}
        Transcode().check(film.settings, sorted(film.inputs))
        checked += 1
    assert checked == 24


def test_a_list_of_prompts_gives_four_clips_for_all_films(cache_dir: Path) -> None:
    catalogue = OperatorCatalogue(models=models_in(Path(), cache_dir))
    asked = Counter[str]()
    for variant in variants(TEMPLATE):
        scenery = stage_of(TEMPLATE.stages[0], 0, variant, TEMPLATE)
        settings = catalogue.checked(scenery.operator, scenery.settings, ())
        asked[str(settings["prompt"])] += 1
    assert len(asked) == 4 and set(asked.values()) == {6}
    with pytest.raises(BadRequest, match="extreme"):
        catalogue.checked("generate", {"model": "terrain-consistency", "prompt": "a calm sea", "frames": 75}, ())


@pytest.mark.parametrize("shape", ["wide", "square", "tall"])
def test_headline_product_and_end_card_are_seen(assets: Mapping[str, Path], shape: str) -> None:
    compose = next(compose for compose, _, variant in stages() if {shape, "ar"} <= ids(variant))
    # Any clip will do behind the end card: what is looked for stands before it.
    inputs = {
        name: assets[source.name if source.kind == "asset" else "product"] for name, source in compose.inputs.items()
    }
    checked = Composite().check(compose.settings, sorted(inputs))
    settings = CompositeSettings.model_validate(checked)
    product, card = (
        next(to_rgb(canvas) for canvas in frames(settings, inputs, settings.frame_at(seconds), 1))
        for seconds in (3.5, 5.5)
    )
    height, width = settings.height, settings.width
    wide = shape == "wide"
    headline = product[height // 4 : height * 3 // 4, : width * 2 // 5] if wide else product[: height // 4]
    watch = product[:, width // 2 :] if wide else product[height // 3 :]
    assert 0.005 < (headline.min(axis=2) > 200).mean() < 0.3
    assert (watch.min(axis=2) > 200).mean() > 0.1
    gold = np.abs(card.astype(int) - (246, 190, 72)).max(axis=2) < 12
    assert 0.01 < gold.mean() < 0.2

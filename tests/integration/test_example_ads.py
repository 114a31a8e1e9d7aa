"""The example campaign `docs/examples/ads`: its assets are drawn, every variant is accepted, and frames show what they
should.
"""

import itertools
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from stream.media.composite.canvas import to_rgb
from stream.media.composite.operator import Composite
from stream.media.composite.renderer import frames
from stream.media.composite.settings import CompositeSettings
from stream.media.transcode.operator import Transcode

ADS = Path(__file__).resolve().parents[2] / "docs" / "examples" / "ads"
TEMPLATE = yaml.safe_load((ADS / "template.yaml").read_text(encoding="utf-8"))


def with_row(value: Any, row: Mapping[str, Any]) -> Any:
    """The value with `${axis}` and `${axis.field}` of a row in it."""
    if isinstance(value, dict):
        return {key: with_row(inner, row) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_row(inner, row) for inner in value]
    if not isinstance(value, str):
        return value
    found = re.findall(r"\$\{(\w+)(?:\.(\w+))?\}", value)
    values = [row[axis][field or "id"] for axis, field in found]
    if len(found) == 1 and value.startswith("${") and value.endswith("}"):
        return values[0]
    return re.sub(r"\$\{[^}]*\}", lambda _: str(values.pop(0)), value)


def rows() -> Iterator[dict[str, Any]]:
    axes = TEMPLATE["parameters"]["axes"]
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("ads")
    subprocess.run([sys.executable, ADS / "draw_assets.py", folder / "assets"], check=True, capture_output=True)
    files = {name: Path(path) for name, path in TEMPLATE["assets"].items()}
    return {name: (folder if path.parts[0] == "assets" else ADS) / path for name, path in files.items()}


def test_every_variant_is_accepted_and_its_inputs_are_there(assets: Mapping[str, Path]) -> None:
    compose, film = TEMPLATE["stages"]
    checked = 0
    for row in rows():
        inputs = with_row(compose["inputs"], row)
        assert all(assets[source.removeprefix("asset:")].is_file() for source in inputs.values())
        settings = Composite().check(with_row(compose["settings"], row), sorted(inputs))
        assert settings["duration"] == row["length"]["seconds"]
        Transcode().check(with_row(film["settings"], row), sorted(film["inputs"]))
        checked += 1
    assert checked == 24


@pytest.mark.parametrize("shape", ["wide", "square", "tall"])
def test_headline_product_and_end_card_are_seen(assets: Mapping[str, Path], shape: str) -> None:
    row = next(row for row in rows() if row["format"]["id"] == shape and row["language"]["id"] == "ar")
    compose = TEMPLATE["stages"][0]
    inputs = {name: assets[source.removeprefix("asset:")] for name, source in with_row(compose["inputs"], row).items()}
    checked = Composite().check(with_row(compose["settings"], row), sorted(inputs))
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

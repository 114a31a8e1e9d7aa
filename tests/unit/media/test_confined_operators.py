"""Operators with libraries that choose their code by the machine, in a child that may not look at it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stream.media import REGISTRY
from stream.media.rendering import Rendered, Renderer, RenderWork
from stream.pipelines.jobs import models_in
from tests.support.media_examples import EXAMPLES, made, operator_beside, work


@pytest.mark.parametrize("name", ["interpolate", "restyle", "upscale"])
def test_a_confined_child_makes_the_same_bytes(
    require_weights: Callable[..., None], cache_dir: Path, tmp_path: Path, name: str
) -> None:
    example = EXAMPLES[name]
    require_weights(*example.weights)
    (tmp_path / "in").mkdir()
    inputs = example.make(tmp_path / "in")
    operator = operator_beside(name, tmp_path / "in")
    task = work(operator, example.settings, inputs, tmp_path / "open")
    expected = made(operator, task)
    renderer = Renderer(tmp_path / "child", operators={name: REGISTRY[name]}, models=models_in(tmp_path, cache_dir))
    try:
        parts = []
        for index, part in enumerate(_done(renderer, RenderWork("begin", name, task.settings, inputs)).parts):
            rendered = _done(renderer, RenderWork("part", name, task.settings, inputs, part=part))
            parts.append({key: path.rename(tmp_path / f"{index}-{key}") for key, path in rendered.files.items()})
        joined = _done(renderer, RenderWork("join", name, task.settings, inputs, parts=parts))
        assert {key: path.read_bytes() for key, path in joined.files.items()} == expected
    finally:
        renderer.close()


def _done(renderer: Renderer, asked: RenderWork) -> Rendered:
    renderer.prepare()
    return renderer.run(asked, stop=lambda: False, progress=lambda _share: None)

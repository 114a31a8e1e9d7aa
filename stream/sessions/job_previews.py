"""A picture of each variant of a template before anything is begun, drawn in a confined child as the job would."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stream.errors import BadMedia, BadRequest
from stream.jobs.descriptions import Description
from stream.jobs.expansion import StageOfVariant, Variant
from stream.jobs.keys import canonical
from stream.media.catalogue import OperatorCatalogue
from stream.media.protocol import Previewed
from stream.media.rendering import RenderWork
from stream.operators.render import TaskRenderer


@dataclass(frozen=True, slots=True)
class Preview:
    """`picture` is there until the next one is asked for; without one `message` says why. `wrong`: it will fail so."""

    variant: Variant
    picture: Path | None = None
    message: str = ""
    wrong: bool = False


class Previews:
    """Of the first `most` variants, each by the first of its stages that can be previewed."""

    def __init__(
        self, described: Description, assets: Mapping[str, Path], catalogue: OperatorCatalogue, renderer: TaskRenderer
    ) -> None:
        self._described = described
        self._assets = assets
        self._catalogue = catalogue
        self._renderer = renderer
        self._index = next(
            (
                index
                for index, stage in enumerate(described.template.stages)
                if isinstance(catalogue.operator(stage.operator), Previewed)
            ),
            None,
        )

    def all(self, most: int) -> Iterator[Preview]:
        """Raises `Unavailable` and `Retryable` where no child can be had."""
        seen: dict[bytes, str] = {}
        for variant in itertools.islice(self._described.variants, most):
            if self._index is None:
                yield Preview(variant, message="no stage of the template draws a picture")
                continue
            stage = self._described.stage(variant.number, self._index)
            equal = canonical([dict(stage.settings), {name: source.name for name, source in stage.inputs.items()}])
            if (first := seen.setdefault(equal, variant.name)) != variant.name:
                yield Preview(variant, message=f"as {first}")
            else:
                yield self._drawn(variant, stage)

    def _drawn(self, variant: Variant, stage: StageOfVariant) -> Preview:
        made = {name: source.name for name, source in stage.inputs.items() if source.kind == "stage"}
        if made:
            return Preview(variant, message=f"it needs what {', '.join(sorted(set(made.values())))} makes first")
        operator = self._catalogue.operator(stage.operator)
        assert isinstance(operator, Previewed), "chosen for it"
        settings = self._catalogue.checked(stage.operator, stage.settings, tuple(stage.inputs))
        part, name = operator.preview(settings)
        inputs = {each: self._assets[source.name] for each, source in stage.inputs.items()}
        work = RenderWork("part", stage.operator, settings, inputs, stage.seed, part)
        try:
            self._renderer.prepare()
            rendered = self._renderer.run(work, stop=lambda: False, progress=lambda _share: None)
        except (BadMedia, BadRequest) as error:
            where = f"row {variant.number + 1} ({variant.name}): stages[{self._index}] ({stage.name})"
            return Preview(variant, message=f"{where}: {error.message}", wrong=True)
        return Preview(variant, rendered.files[name])

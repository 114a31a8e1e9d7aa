"""Stages of variants whose inputs are all there: what decides their results, and the keys of these."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from stream.errors import BadRequest, Unavailable
from stream.events.objects import Digest, StoredFile
from stream.jobs.descriptions import Description, Operators
from stream.jobs.expansion import StageOfVariant
from stream.jobs.keys import stage_key
from stream.jobs.objects import by_name
from stream.jobs.register import JobRegister, JobRow, VariantRow
from stream.jobs.template import InputSource

_KEPT = 512


@dataclass(frozen=True, slots=True)
class ReadyStage:
    """`amount`: its work in megapixels, where that is known."""

    key: str
    stage: StageOfVariant
    settings: dict[str, Any]
    inputs: dict[str, Digest]
    toolchain: dict[str, str]
    amount: float | None

    def share(self, count: int) -> "ReadyStage":
        """One of so many parts of it."""
        return replace(self, amount=None if self.amount is None else self.amount / count)


class ReadyStages:
    """Works within the transaction of its caller. Each is made once for its inputs, and used several times."""

    def __init__(self, register: JobRegister, operators: Operators) -> None:
        self._register = register
        self._operators = operators
        self._kept: OrderedDict[tuple[Any, ...], ReadyStage] = OrderedDict()

    def of(self, job: JobRow, variant: VariantRow, described: Description, index: int | None = None) -> ReadyStage:
        """A stage, by default the present one. Raises what the template or the operator says of this row."""
        return self._of(job, variant, described, variant.stage if index is None else index, self._finished(variant))

    def facts(self, job: JobRow, variant: VariantRow, described: Description) -> list[dict[str, Any]]:
        """What each finished stage was made of, for the manifest."""
        found = []
        finished = self._finished(variant)
        for index, key in sorted(self._register.stage_keys(job.id, variant.number).items()):
            ready = self._of(job, variant, described, index, finished)
            found.append(
                {
                    "name": ready.stage.name,
                    "operator": ready.stage.operator,
                    "version": self._operators.version(ready.stage.operator),
                    "key": key,
                    "settings": ready.settings,
                    "inputs": ready.inputs,
                    "outputs": {file.name: file.digest for file in finished[index]},
                    "seed": ready.stage.seed,
                    "toolchain": ready.toolchain,
                }
            )
        return found

    def _finished(self, variant: VariantRow) -> dict[int, tuple[StoredFile, ...]]:
        return self._register.finished(variant.job, variant.number) if variant.stage else {}

    def _of(
        self,
        job: JobRow,
        variant: VariantRow,
        described: Description,
        index: int,
        finished: Mapping[int, tuple[StoredFile, ...]],
    ) -> ReadyStage:
        stage = described.stage(variant.number, index)
        inputs = {name: _digest(source, described, finished) for name, source in stage.inputs.items()}
        place = (job.tenant, job.spec, variant.number, index, *inputs.items())
        found = self._kept.pop(place, None) or self._made(job, variant, described, stage, inputs)
        self._kept[place] = found
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return found

    def _made(
        self,
        job: JobRow,
        variant: VariantRow,
        described: Description,
        stage: StageOfVariant,
        inputs: dict[str, Digest],
    ) -> ReadyStage:
        settings = self._operators.checked(stage.operator, stage.settings, tuple(stage.inputs))
        try:
            toolchain = self._operators.toolchain(stage.operator, settings)
        except Unavailable as lacking:
            raise BadRequest(lacking.message, code=lacking.code) from None
        version = self._operators.version(stage.operator)
        key = stage_key(stage.operator, version, settings, inputs, seed=stage.seed, toolchain=toolchain)
        amount = self._operators.amount(stage.operator, settings, self._amounts(job, variant, described, stage))
        return ReadyStage(key, stage, settings, inputs, toolchain, amount)

    def _amounts(
        self, job: JobRow, variant: VariantRow, described: Description, stage: StageOfVariant
    ) -> dict[str, float]:
        """Of the inputs that earlier stages made, in megapixels, where that is known."""
        sources = {name: source for name, source in stage.inputs.items() if source.kind == "stage"}
        if not sources:
            return {}
        known = self._register.amounts(job.id, variant.number)
        places = {name: described.index_of(source.name) for name, source in sources.items()}
        return {name: known[place] for name, place in places.items() if place in known}


def _digest(source: InputSource, described: Description, finished: Mapping[int, tuple[StoredFile, ...]]) -> Digest:
    if source.kind == "asset":
        return described.spec.assets[source.name].digest
    files = finished[described.index_of(source.name)]
    if not source.file:
        return files[0].digest
    found = by_name(files).get(source.file)
    if found is None:
        there = ", ".join(file.name for file in files)
        raise BadRequest(f"stage {source.name} has no output {source.file!r}; it has {there}", code="template_invalid")
    return found.digest

"""What a description comes to, row by row: what is wrong with it, and how often each stage is done. In one pass, as
there may be a hundred thousand rows.
"""

import marshal
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from pydantic import JsonValue

from stream.errors import BadRequest, Unavailable
from stream.jobs.descriptions import Description, Operators
from stream.jobs.expansion import StageOfVariant, Variant
from stream.jobs.reviews import is_unseen
from stream.jobs.substitution import Value, axes_at

_KEPT = 1000
"""Checked settings: of many distinct rows only the last are kept."""


@dataclass(slots=True)
class StageTally:
    """Of one stage: which works there are, how many of each amount, and what each gives."""

    works: set[bytes] = field(default_factory=set)
    amounts: Counter[float | None] = field(default_factory=Counter)
    outputs: tuple[str, ...] = ()


@dataclass(slots=True)
class Examined:
    """`problems`: what is wrong alike with several rows is said once, with the first of them. The counts are of rows
    without any. `unmoderated`: finals that nothing moderates, where the template asks for moderation: their variants
    wait for a person.
    """

    problems: list[str]
    stages: list[StageTally]
    deliveries: Counter[float | None]
    unmoderated: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Checked:
    settings: Mapping[str, Any]
    digest: bytes
    outputs: Mapping[str, str]


def examined(described: Description, operators: Operators) -> Examined:
    """Before anything is computed: settings, inputs, finals, and what this machine lacks."""
    examination = _Examination(described, operators)
    found: dict[str, list[str]] = {}
    for variant in described.variants:
        for problem in examination.add(variant):
            row = f"row {variant.number + 1} ({variant.name})"
            # A reference that is at fault names its row itself.
            found.setdefault(problem.removeprefix(f"{row}: "), []).append(row)
    problems = [f"{rows[0]}{_others(len(rows) - 1)}: {problem}" for problem, rows in found.items()]
    return Examined(problems, examination.stages, examination.deliveries, tuple(sorted(examination.unmoderated)))


class _Examination:
    def __init__(self, described: Description, operators: Operators) -> None:
        self.stages = [StageTally() for _ in described.template.stages]
        self.deliveries: Counter[float | None] = Counter()
        self.unmoderated: set[str] = set()
        publish = described.template.publish
        self._moderated = publish is not None and publish.moderation is not None
        self._described = described
        self._operators = operators
        self._kept: OrderedDict[bytes, tuple[StageOfVariant, _Checked]] = OrderedDict()

    def add(self, variant: Variant) -> Iterator[str]:
        """Count a row; what is wrong with it."""
        outputs: dict[str, Mapping[str, str]] = {}
        works: dict[str, bytes] = {}
        amounts: dict[str, float] = {}
        for index, stage in enumerate(self._described.template.stages):
            where = f"stages[{index}] ({stage.name})"
            try:
                made, checked = self._made(variant, index)
                amount = self._amount(made, checked, amounts)
            except (BadRequest, Unavailable) as error:
                told = error.message
                yield told if told.startswith("row ") else f"{where}: {_with_parameters(told, stage.settings)}"
                return
            outputs[stage.name] = checked.outputs
            yield from _input_problems(made, outputs, where)
            if amount is not None:
                amounts[stage.name] = amount
            works[stage.name] = work = _work(made, checked.digest, works)
            self._count(index, work, amount, checked)
        yield from _final_problems(self._described, outputs)
        if self._moderated:
            self.unmoderated.update(_unmoderated(self._described, outputs))
        self.deliveries[max(amounts.values(), default=None)] += 1

    def _count(self, index: int, work: bytes, amount: float | None, checked: _Checked) -> None:
        tally = self.stages[index]
        if work not in tally.works:
            tally.works.add(work)
            tally.amounts[amount] += 1
            tally.outputs = tally.outputs or tuple(checked.outputs)

    def _amount(self, stage: StageOfVariant, checked: _Checked, amounts: Mapping[str, float]) -> float | None:
        earlier = {name: source.name for name, source in stage.inputs.items() if source.kind == "stage"}
        known = {name: amounts[made] for name, made in earlier.items() if made in amounts}
        return self._operators.amount(stage.operator, checked.settings, known)

    def _made(self, variant: Variant, index: int) -> tuple[StageOfVariant, _Checked]:
        """A stage of a row. It is made once for rows that follow each other closely and say the same of it."""
        asked = _digest(
            [index, *(_plain(variant.row.get(axis)) for axis in self._described.template.stages[index].axes)]
        )
        found = self._kept.pop(asked, None)
        if found is None:
            stage = self._described.stage(variant.number, index)
            settings = self._operators.checked(stage.operator, stage.settings, tuple(stage.inputs))
            self._operators.toolchain(stage.operator, settings)
            told = self._operators.outputs(stage.operator, settings)
            found = stage, _Checked(settings, _digest(dict(settings)), told)
        self._kept[asked] = found
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return found


def _with_parameters(told: str, settings: Mapping[str, JsonValue]) -> str:
    """What is wrong with settings, each with the parameters that its field names: the columns of the rows."""
    return "; ".join(_with_parameter(problem, dict(settings)) for problem in told.split("; "))


def _with_parameter(problem: str, settings: JsonValue) -> str:
    field, _, rest = problem.partition(": ")
    axes = axes_at(settings, field) if rest else ()
    return f"{field} (of the parameter {', '.join(sorted(axes))}): {rest}" if axes else problem


def _work(stage: StageOfVariant, settings: bytes, earlier: Mapping[str, bytes]) -> bytes:
    """Equal for equal work, as far as that is known before anything is made."""
    made_of = {
        name: [source.kind, earlier.get(source.name, b"") if source.kind == "stage" else source.name, source.file]
        for name, source in stage.inputs.items()
    }
    return _digest([stage.operator, settings, made_of, stage.seed])


def _plain(value: Value | None) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


def _digest(value: list[Any] | dict[str, Any]) -> bytes:
    # For one process alone, and quicker than any JSON. Format 2 writes no references, which equal values may differ in.
    return blake2b(marshal.dumps(value, 2), digest_size=16).digest()


def _input_problems(stage: StageOfVariant, outputs: Mapping[str, Mapping[str, str]], where: str) -> Iterator[str]:
    for name, source in stage.inputs.items():
        if source.kind == "stage" and source.file and source.file not in outputs[source.name]:
            there = ", ".join(outputs[source.name])
            yield f"{where}: inputs.{name}: {source.name} has no {source.file!r}; it has {there}"


def _final_problems(described: Description, outputs: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for index, text in enumerate(described.template.finals):
        stage, _, name = text.partition("/")
        if name and name not in outputs[stage]:
            yield f"finals[{index}]: {stage} has no output {name!r}; it has {', '.join(outputs[stage])}"


def _unmoderated(described: Description, outputs: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for text in described.template.finals:
        stage, _, name = text.partition("/")
        media_type = outputs[stage].get(name) if name else next(iter(outputs[stage].values()), None)
        if media_type is not None and is_unseen(media_type):
            yield text


def _others(count: int) -> str:
    return f" and {count} more" if count else ""

"""What a template says: assets, parameters, stages and finals. Checked as a whole when it is read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from stream.errors import BadRequest
from stream.jobs.reading import read_values
from stream.jobs.substitution import Pattern, Scalar

MAX_ROWS = 100_000
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
Name = Annotated[str, StringConstraints(pattern=f"^{NAME}$")]
ParameterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
Lane = Literal["dev", "interactive", "batch"]
LANES: tuple[Lane, ...] = ("dev", "interactive", "batch")
"""In the order in which they are served: somebody waits for the first two."""
Text = Annotated[str, StringConstraints(max_length=10_000)]
Number = Annotated[float, Field(gt=0, le=1e12)]


class _Part(BaseModel):
    # Unknown fields are mistakes here, unlike in events: a person has written them.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Parameters(_Part):
    """The rows of a job. `product`: every combination of the axes' values. `zip`: the first values of all axes, then
    the second, and so on; all axes are of one length. `rows`: as they are written. What is meant is always said.
    """

    mode: Literal["product", "zip", "rows"]
    axes: dict[ParameterName, list[JsonValue]] = Field(default_factory=dict, max_length=32)
    rows: list[dict[str, JsonValue]] | Text | None = Field(default=None)
    """Rows, or the name of a CSV file beside the template."""


class Budget(_Part):
    """At the limit the work stops at a part's edge. CPU seconds in the whole job, and of each variant."""

    cpu_s: Number | None = None
    variant_cpu_s: Number | None = None


class Moderation(_Part):
    """Finals are delivered while every moment of them has a lower score of moderation, which is 0 to 1."""

    nsfw_below: Annotated[float, Field(gt=0, le=1)]


class Publishing(_Part):
    """Films among the finals become footage of their own. With `moderation` they are delivered after they were judged
    by it, and what it objects to waits for a person.
    """

    understand: Literal[True] = True
    moderation: Moderation | None = None


class StageTemplate(_Part):
    """One operator with its settings. `inputs`: by name `asset:NAME`, `stage:NAME` or `stage:NAME/FILE`, where the
    stage is an earlier one; without a file its first output is meant.
    """

    name: Name
    operator: Name
    inputs: dict[ParameterName, Text] = Field(default_factory=dict, max_length=64)
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    seed: int | Text | None = None

    @cached_property
    def patterns(self) -> tuple[Pattern, Mapping[str, Pattern], Pattern]:
        """Of settings, inputs and seed."""
        return (
            Pattern(dict(self.settings)),
            {name: Pattern(text) for name, text in self.inputs.items()},
            Pattern(self.seed),
        )

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """The parameters on which a variant's stage depends: those that it names."""
        settings, inputs, seed = self.patterns
        return tuple(sorted(settings.axes.union(seed.axes, *(each.axes for each in inputs.values()))))


class Template(_Part):
    """A job as a person writes it. `assets`: files below the template's folder. `finals`: the outputs that are
    delivered, as `STAGE` or `STAGE/FILE`; all others are intermediates, which expire.
    """

    version: Literal[1]
    name: Name
    lane: Lane = "batch"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    assets: dict[Name, Text] = Field(default_factory=dict, max_length=1000)
    parameters: Parameters | None = None
    stages: Annotated[list[StageTemplate], Field(min_length=1, max_length=32)]
    finals: Annotated[list[Text], Field(min_length=1, max_length=64)]
    budget: Budget = Field(default_factory=Budget)
    publish: Publishing | None = None

    @classmethod
    def read(cls, content: bytes, name: str = "template") -> Self:
        """Raises `BadRequest` (`template_invalid`), with the field that is wrong."""
        return cls.checked(read_values(content, name), name)

    @classmethod
    def checked(cls, values: JsonValue, name: str = "template") -> Self:
        """As `read`, of values that were read."""
        try:
            made = cls.model_validate(values)
        except ValidationError as error:
            raise BadRequest(f"{name}: {'; '.join(_told(error))}", code="template_invalid") from None
        if problems := list(made.problems()):
            raise BadRequest(f"{name}: {'; '.join(problems[:5])}", code="template_invalid")
        return made

    def problems(self) -> Iterator[str]:
        """What does not fit together, each with its field."""
        earlier: dict[str, StageTemplate] = {}
        for index, stage in enumerate(self.stages):
            where = f"stages[{index}]"
            if stage.name in earlier:
                yield f"{where}.name: {stage.name!r} is the name of an earlier stage too"
            for name, text in stage.inputs.items():
                yield from self._source_problems(text, earlier, f"{where}.inputs.{name}")
            earlier[stage.name] = stage
        for index, text in enumerate(self.finals):
            if text.partition("/")[0] not in earlier:
                yield f"finals[{index}]: no stage {text.partition('/')[0]!r}; there are {', '.join(earlier)}"
        yield from _parameter_problems(self.parameters)

    def _source_problems(self, text: str, earlier: Mapping[str, object], where: str) -> Iterator[str]:
        kind, _, rest = text.partition(":")
        if kind == "stage":
            name = rest.partition("/")[0]
            # So no stage waits for itself: the order of the list is the order of the work.
            if "$" not in name and name not in earlier:
                yield f"{where}: {name!r} is no earlier stage; there are {', '.join(earlier) or 'none'}"
        elif kind == "asset":
            if "$" not in rest and rest not in self.assets:
                yield f"{where}: no asset {rest!r}; there are {', '.join(self.assets) or 'none'}"
        else:
            yield f"{where}: {text!r} is neither asset:NAME nor stage:NAME nor stage:NAME/FILE"


@dataclass(frozen=True, slots=True)
class InputSource:
    """Where an input comes from: an asset, or a file of an earlier stage; an empty `file` is its first output."""

    kind: Literal["asset", "stage"]
    name: str
    file: str = ""

    @classmethod
    def parsed(cls, text: str) -> Self:
        """Of a checked reference."""
        kind, _, rest = text.partition(":")
        name, _, file = rest.partition("/")
        return cls("asset" if kind == "asset" else "stage", name, file)


def _parameter_problems(parameters: Parameters | None) -> Iterator[str]:
    if parameters is None:
        return
    if parameters.mode == "rows":
        if parameters.rows is None or parameters.axes:
            yield "parameters: the mode `rows` takes `rows`, and no `axes`"
        elif isinstance(parameters.rows, list):
            yield from _row_problems(parameters.rows)
        return
    if parameters.rows is not None or not parameters.axes:
        yield f"parameters: the mode `{parameters.mode}` takes `axes`, and no `rows`"
    for name, values in parameters.axes.items():
        if not values:
            yield f"parameters.axes.{name}: it has no value, so there would be no variant"
        for index, value in enumerate(values):
            yield from _value_problems(value, f"parameters.axes.{name}[{index}]")
    lengths = {name: len(values) for name, values in parameters.axes.items()}
    if parameters.mode == "zip" and len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        yield f"parameters.axes: the mode `zip` takes axes of one length: {told}"


def _row_problems(rows: list[dict[str, JsonValue]]) -> Iterator[str]:
    columns = set(rows[0]) if rows else set()
    if not rows:
        yield "parameters.rows: there is none"
    for index, row in enumerate(rows):
        where = f"parameters.rows[{index}]"
        if set(row) != columns:
            differing = ", ".join(sorted(columns.symmetric_difference(row)))
            yield f"{where}: it has other columns than the first row: {differing}"
        for name, value in row.items():
            yield from _value_problems(value, f"{where}.{name}")


def _value_problems(value: JsonValue, where: str) -> Iterator[str]:
    if isinstance(value, dict):
        if not isinstance(value.get("id"), Scalar):
            yield f"{where}: fields need an `id`, a text or a number, which names the value"
    elif not isinstance(value, Scalar):
        yield f"{where}: a value is a text, a number, true or false, or fields with an `id`"


def _told(error: ValidationError) -> Iterator[str]:
    for item in error.errors(include_url=False)[:5]:
        yield f"{location(item['loc'])}: {item['msg'][:1].lower()}{item['msg'][1:]}"


def location(steps: tuple[int | str, ...]) -> str:
    """`stages[1].settings.width`, from the steps that pydantic gives."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".") or "the top"

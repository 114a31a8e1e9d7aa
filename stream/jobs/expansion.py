"""Rows of a job, and the variants that they are."""

import csv
import io
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from pydantic import JsonValue

from stream.errors import BadRequest
from stream.events.ids import typed_digest
from stream.jobs.keys import canonical
from stream.jobs.substitution import Pattern, Value, value_id
from stream.jobs.template import MAX_ROWS, NAME, InputSource, Parameters, StageTemplate, Template

_UNFIT = re.compile(r"[^A-Za-z0-9_.]+")
_SHORT = 80


@dataclass(frozen=True, slots=True)
class StageOfVariant:
    """A stage with the row's values in it."""

    name: str
    operator: str
    settings: Mapping[str, JsonValue]
    inputs: Mapping[str, InputSource]
    seed: int


@dataclass(frozen=True, slots=True)
class Variant:
    """One row. `id` depends on the row alone, so that the same row is the same variant however often and in whatever
    order it is asked for. `name` is for people; it may repeat. `number`: its place among the rows, from 0.
    """

    id: str
    name: str
    number: int
    row: Mapping[str, Value]


def row_count(template: Template) -> int:
    """How many variants there are, without making them: a product of a few lists may be more than any memory holds."""
    parameters = template.parameters
    if parameters is None:
        return 1
    if parameters.mode == "product":
        count = 1
        for values in parameters.axes.values():
            count *= len(values)
        return count
    if parameters.mode == "zip":
        return len(next(iter(parameters.axes.values())))
    assert isinstance(parameters.rows, list), "a file of rows is read before"
    return len(parameters.rows)


def variants(template: Template) -> Iterator[Variant]:
    """Every variant, in the order of the rows; of axes, the last one changes first. Raises `BadRequest`
    (`template_invalid`) for more than `MAX_ROWS`, and for a row that stands there twice.
    """
    if (count := row_count(template)) > MAX_ROWS:
        raise BadRequest(f"{count} variants; a job has at most {MAX_ROWS}", code="template_invalid")
    found: dict[str, int] = {}
    for number, row in enumerate(_rows(template.parameters)):
        key = typed_digest("variant", canonical(dict(row)))[:16]
        if (first := found.setdefault(key, number)) != number:
            raise BadRequest(f"row {number + 1} is the same as row {first + 1}", code="template_invalid")
        yield Variant(key, _name(row), number, row)


def stage_of(stage: StageTemplate, index: int, variant: Variant, template: Template) -> StageOfVariant:
    """A stage with a variant's values. Raises `BadRequest` (`template_invalid`) with the field, and the row where one
    is at fault.
    """
    where = f"row {variant.number + 1} ({variant.name}): stages[{index}]"
    settings, named, seeded = stage.patterns
    made = settings.filled(variant.row, f"{where}.settings")
    assert isinstance(made, dict), "as what it was made of"
    inputs = {name: _source(text, index, variant, template, f"{where}.inputs.{name}") for name, text in named.items()}
    seed = template.seed if stage.seed is None else _seed(seeded, variant, f"{where}.seed")
    return StageOfVariant(stage.name, stage.operator, made, inputs, seed)


def rows_of_csv(content: bytes, name: str) -> list[dict[str, JsonValue]]:
    """The rows of a CSV file, whose first line names the columns; a value that is a whole or decimal number is one.
    Raises `BadRequest` (`template_invalid`) with line and column.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadRequest(f"{name}: it is not UTF-8 text: save it as CSV UTF-8", code="template_invalid") from None
    lines = csv.reader(io.StringIO(text), strict=True)
    try:
        head = next(lines, [])
        if not head or len(set(head)) != len(head) or not all(re.fullmatch(NAME, column) for column in head):
            raise BadRequest(
                f"{name}: line 1 names the columns, each once, in letters, digits, - and _", code="template_invalid"
            )
        # Most columns of a campaign have few values; each is kept once.
        kept: dict[str, str] = {}
        rows = (
            _cells(head, [kept.setdefault(cell, cell) for cell in cells], f"{name}: line {lines.line_num}")
            for cells in lines
            if cells
        )
        found = list(itertools.islice(rows, MAX_ROWS + 1))
    except csv.Error as error:
        raise BadRequest(f"{name}: line {lines.line_num}: {error}", code="template_invalid") from None
    if len(found) > MAX_ROWS:
        raise BadRequest(f"{name}: more than {MAX_ROWS} rows: make several jobs of them", code="template_invalid")
    return found


def _cells(head: list[str], cells: list[str], where: str) -> dict[str, JsonValue]:
    if len(cells) != len(head):
        raise BadRequest(f"{where}: {len(cells)} values for {len(head)} columns", code="template_invalid")
    return {column: _typed(cell) for column, cell in zip(head, cells, strict=True)}


def _typed(cell: str) -> JsonValue:
    # Not `int` and `float` alone: they take " 5 ", "1_000" and "nan", and 007 is a name.
    if re.fullmatch(r"-?(0|[1-9][0-9]{0,14})", cell, re.ASCII):
        return int(cell)
    if re.fullmatch(r"-?(0|[1-9][0-9]{0,14})\.[0-9]{1,15}", cell, re.ASCII):
        return float(cell)
    return cell


def _rows(parameters: Parameters | None) -> Iterator[dict[str, Value]]:
    if parameters is None:
        yield {}
    elif parameters.mode == "rows":
        assert isinstance(parameters.rows, list), "a file of rows is read before"
        for row in parameters.rows:
            # The template's own: another copy of a hundred thousand rows would be a hundred megabytes.
            yield cast("dict[str, Value]", row)
    else:
        meet = itertools.product if parameters.mode == "product" else zip
        for values in meet(*parameters.axes.values()):
            yield {name: _value(value) for name, value in zip(parameters.axes, values, strict=True)}


def _value(value: JsonValue) -> Value:
    assert not isinstance(value, list) and value is not None, "checked when the template was read"
    return value


def _source(text: Pattern, index: int, variant: Variant, template: Template, where: str) -> InputSource:
    found = text.filled(variant.row, where)
    source = InputSource.parsed(str(found))
    # A value may choose among the assets, and never name a file: paths stand in the template alone.
    earlier = {stage.name for stage in template.stages[:index]}
    known = template.assets if source.kind == "asset" else earlier
    if source.name not in known:
        of = f" (of the parameter {', '.join(sorted(text.axes))})" if text.axes else ""
        raise BadRequest(
            f"{where}{of}: no {source.kind} {source.name!r}; there are {', '.join(sorted(known)) or 'none'}",
            code="template_invalid",
        )
    return source


def _seed(seed: Pattern, variant: Variant, where: str) -> int:
    found = seed.filled(variant.row, where)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < 2**32:
        of = f" (of the parameter {', '.join(sorted(seed.axes))})" if seed.axes else ""
        raise BadRequest(f"{where}{of}: a seed is a whole number from 0 to 2^32 - 1", code="template_invalid")
    return found


def _name(row: Mapping[str, Value]) -> str:
    parts = (_UNFIT.sub("-", str(value_id(value))).strip("-.") for value in row.values())
    return "_".join(part[:_SHORT] for part in parts if part)[:_SHORT] or "only"

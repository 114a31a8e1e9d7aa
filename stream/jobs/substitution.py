"""`${axis}` and `${axis.field}` in a template's values. No expressions: a template computes nothing."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from stream.errors import BadRequest

MAX_CHARACTERS = 1_000_000
Scalar = str | int | float | bool
Value = Scalar | Mapping[str, JsonValue]
"""Of one parameter in one row: a scalar, or fields with an `id`."""
_NAME = r"[A-Za-z][A-Za-z0-9_]*(?:-[A-Za-z0-9_]+)*"
_REFERENCE = re.compile(r"\$(?:\$|\{(?P<inner>[^{}]*)\}|(?=\{)(?P<open>))")
_STEP = re.compile(r"[^.\[\]]+")
_INNER = re.compile(rf"(?P<axis>{_NAME})(?:\.(?P<field>{_NAME}))?", re.ASCII)


def substituted(value: JsonValue, row: Mapping[str, Value], where: str) -> JsonValue:
    """As `Pattern.filled`."""
    return Pattern(value).filled(row, where)


class Pattern:
    """A value of a template with its references, which are looked for once. `axes`: the parameters that they name.
    Every row of a hundred thousand is put into the same few values.
    """

    def __init__(self, value: JsonValue) -> None:
        axes: set[str] = set()
        self._value = value
        self._replace = _replacement(value, "", axes)
        self.axes = frozenset(axes)

    def filled(self, row: Mapping[str, Value], where: str) -> JsonValue:
        """The value with every reference replaced by the row's. A text that is one reference becomes that value as it
        is, a number too; in a longer text it is written out. `$$` is a dollar sign. What holds no reference is the
        template's own, so nothing of it may be changed. Raises `BadRequest` (`template_invalid`), also for values that
        come to more than `MAX_CHARACTERS`.
        """
        return self._value if self._replace is None else self._replace(_Row(row), where)


def axes_at(value: JsonValue, place: str) -> frozenset[str]:
    """The parameters that a value of a template names at a place, which is written as messages write it, such as
    `layers[0].start` or `layers.0.start`. None where there is no such place.
    """
    found: JsonValue = value
    for step in _STEP.findall(place):
        if isinstance(found, dict) and step in found:
            found = found[step]
        elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        # What is below may be a field of the row's value.
        elif found is value or isinstance(found, dict | list):
            return frozenset()
        else:
            break
    return Pattern(found).axes


class _Row:
    """The values of a row, and how much of them may still be put in: a few lines of references to a long text would
    unfold into gigabytes.
    """

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.values = values
        self._left = MAX_CHARACTERS

    def use(self, value: JsonValue, where: str) -> None:
        self._left -= len(value) if isinstance(value, str) else len(str(value))
        if self._left < 0:
            raise _wrong(where, f"the row's values come to more than {MAX_CHARACTERS} characters here")


_Replacement = Callable[["_Row", str], JsonValue]


def _replacement(value: JsonValue, path: str, axes: set[str]) -> _Replacement | None:
    """None where there is nothing to replace. `path`: of the value, behind what a message begins with."""
    if isinstance(value, str):
        return _text(value, path, axes)
    if isinstance(value, list):
        listed = [_replacement(inner, f"{path}[{index}]", axes) for index, inner in enumerate(value)]
        places = [(index, made) for index, made in enumerate(listed) if made is not None]
        return _replacing(value, places) if places else None
    if isinstance(value, dict):
        named = {key: _replacement(inner, f"{path}.{key}", axes) for key, inner in value.items()}
        keys = [(key, made) for key, made in named.items() if made is not None]
        return _replacing(value, keys) if keys else None
    return None


def _replacing(value: Any, places: Sequence[tuple[Any, _Replacement]]) -> _Replacement:
    """Of a list or an object, some of whose places hold references."""

    def replace(row: _Row, where: str) -> JsonValue:
        found: Any = value.copy()
        for place, made in places:
            found[place] = made(row, where)
        return found  # type: ignore[no-any-return]

    return replace


def _text(text: str, path: str, axes: set[str]) -> _Replacement | None:
    if "$" not in text:
        return None
    named = (_INNER.fullmatch(match["inner"]) for match in _REFERENCE.finditer(text) if match["inner"] is not None)
    axes.update(match["axis"] for match in named if match is not None)
    whole = _REFERENCE.fullmatch(text)
    if whole is not None and (inner := whole["inner"]) is not None:
        reference = _INNER.fullmatch(inner)
        return lambda row, where: _found(inner, reference, row, where + path)
    return lambda row, where: _REFERENCE.sub(lambda match: _written(match, row, where + path), text)


def _written(match: "re.Match[str]", row: _Row, where: str) -> str:
    if match[0] == "$$":
        return "$"
    if match["inner"] is None:
        raise _wrong(where, "`${` without its `}`; a dollar sign is written `$$`")
    found = _found(match["inner"], _INNER.fullmatch(match["inner"]), row, where)
    if not isinstance(found, Scalar):
        raise _wrong(where, f"`{match[0]}` is no text or number, so it must stand alone")
    return _spelled(found)


def _found(inner: str, reference: "re.Match[str] | None", row: _Row, where: str) -> JsonValue:
    found = _named(inner, reference, row.values, where)
    row.use(found, where)
    return found


def _named(inner: str, reference: "re.Match[str] | None", row: Mapping[str, Value], where: str) -> JsonValue:
    if reference is None:
        raise _wrong(where, "a reference is `${parameter}` or `${parameter.field}`, and no expression")
    axis, field = reference["axis"], reference["field"]
    if axis not in row:
        raise _wrong(where, f"`${{{inner}}}`: there is no parameter {axis!r}; there are {', '.join(row) or 'none'}")
    value = row[axis]
    if field is None:
        return value_id(value)
    if not isinstance(value, Mapping) or field not in value:
        known = ", ".join(value) if isinstance(value, Mapping) else "none"
        raise _wrong(where, f"`${{{inner}}}`: {axis} {value_id(value)!r} has no field {field!r}; it has {known}")
    return value[field]


def value_id(value: Value) -> Scalar:
    """What names the value: the scalar itself, or the `id` among its fields."""
    if isinstance(value, Mapping):
        found = value["id"]
        assert isinstance(found, Scalar), "checked when the template was read"
        return found
    return value


def _spelled(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _wrong(where: str, problem: str) -> BadRequest:
    return BadRequest(f"{where}: {problem}", code="template_invalid")

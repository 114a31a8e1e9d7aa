"""A template's text as plain values: YAML or JSON from strangers, bounded before anything looks into it."""

import math
import re
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import JsonValue

from stream.errors import BadRequest

MAX_BYTES = 1 << 20
MAX_DEPTH = 32


class _Plain(yaml.SafeLoader):
    """YAML without what one template could be used for to exhaust a machine, or to mean two things."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        # A few lines of aliases unfold into gigabytes.
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(None, None, "aliases (`*name`) are not taken: write it out", event.start_mark)
        # Tags choose a constructor that fails in its own way on what it was not made for.
        if (event := self.peek_event()).tag is not None:  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(None, None, "tags (`!kind`) are not taken", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(None, None, "a key is a text, no list or mapping", key.start_mark)
            if (name := key.value) in seen:
                raise yaml.MarkedYAMLError(None, None, f"{name!r} stands here twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


# JSON's kinds alone, spelled as JSON does: to YAML 1.1 `no` is false, 12:30:45 a number and 2026-11-29 a date, which
# surprises whoever wrote a headline or a time code.
_NUMBER = r"-?(?:0|[1-9][0-9]*)"
_Plain.yaml_implicit_resolvers = {}
for _kind, _pattern, _first in (
    ("null", r"null|~|", ["n", "~", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", _NUMBER, list("-0123456789")),
    ("float", _NUMBER + r"(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", list("-0123456789")),
):
    _Plain.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), _first)


def read_values(content: bytes, name: str) -> JsonValue:
    """The values of a YAML or JSON text. `name` is what messages call it. Raises `BadRequest` (`template_invalid`) with
    the line, for what is not plain YAML too: aliases, tags, keys that are not text, other kinds of values than JSON's.
    """
    if len(content) > MAX_BYTES:
        raise _wrong(name, f"{len(content)} bytes; a template has at most {MAX_BYTES}: put long lists into a CSV file")
    try:
        found = yaml.load(content.decode("utf-8"), _Plain)  # noqa: S506 - a safe loader with less
    except UnicodeDecodeError:
        raise _wrong(name, "it is not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
        raise _wrong(name, f"{where}{error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _wrong(name, f"it is no YAML that can be read ({type(error).__name__})") from None
    for problem in unfit(found):
        raise _wrong(name, problem)
    value: JsonValue = found
    return value


def unfit(value: Any, where: str = "", depth: int = 0) -> Iterator[str]:
    """What in read values no key can be made of or nothing may look into, each with its place."""
    if depth > MAX_DEPTH:
        yield f"{where}: nested more than {MAX_DEPTH} deep"
    elif isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                yield f"{where or 'the top'}: the key {key!r} is no text: put it into quotes"
                return
            yield from _unfit_text(key, where)
            yield from unfit(inner, f"{where}.{key}" if where else key, depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from unfit(inner, f"{where}[{index}]", depth + 1)
    else:
        yield from _unfit_scalar(value, where)


def _unfit_scalar(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, str):
        yield from _unfit_text(value, where)
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{where}: not a finite number"
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**53:
        yield f"{where}: whole numbers are below 2^53: put it into quotes if it is a name"
    elif not isinstance(value, int | float | bool | None):
        yield f"{where}: a value of the kind {type(value).__name__} is not taken"


def _unfit_text(text: str, where: str) -> Iterator[str]:
    # Half of a surrogate pair can be written as an escape, and never as UTF-8.
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        yield f"{where or 'the top'}: a text with half of a character"


def _wrong(name: str, problem: str) -> BadRequest:
    return BadRequest(f"{name}: {problem}", code="template_invalid")

"""From a template's file to a description that can be submitted: rows and assets are read, everything is checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import JsonValue

from stream.errors import BadRequest
from stream.events.jobs import JobSpec
from stream.events.objects import StoredFile
from stream.files import read_small
from stream.jobs.expansion import rows_of_csv
from stream.jobs.objects import ContentObjects
from stream.jobs.reading import MAX_BYTES, read_values
from stream.jobs.template import Template

MAX_CSV_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Prepared:
    """A template with its rows in it, and its assets by name. `values`: the template as plain JSON."""

    template: Template
    values: dict[str, JsonValue]
    assets: Mapping[str, Path]


def prepare(path: Path, overrides: Mapping[str, JsonValue] | None = None) -> Prepared:
    """Read a template's file and what it names. `overrides`: top-level fields, such as the lane. Raises `BadRequest`
    (`template_invalid`, `template_unreadable`) before anything is stored.
    """
    values = _values(path) | dict(overrides or {})
    parameters = values.get("parameters")
    if isinstance(parameters, dict) and isinstance(rows := parameters.get("rows"), str):
        content = _content(_below(path.parent, rows, "parameters.rows"), MAX_CSV_BYTES)
        listed: Any = rows_of_csv(content, rows)
        values["parameters"] = {**parameters, "rows": listed}
    template = Template.checked(values, path.name)
    if (read := template.parameters) is not None and isinstance(read.rows, list):
        # The same rows, and not a second hundred thousand of them.
        values["parameters"] = {**_mapping(values["parameters"]), "rows": cast("JsonValue", read.rows)}
    assets = {name: _below(path.parent, text, f"assets.{name}") for name, text in template.assets.items()}
    for name, asset in assets.items():
        if not asset.is_file():
            raise BadRequest(f"{path.name}: assets.{name}: there is no file {asset.name!r}", code="template_invalid")
    return Prepared(template, values, assets)


def stored(prepared: Prepared, objects: ContentObjects) -> dict[str, StoredFile]:
    """The assets among the objects."""
    found = {}
    for name, path in prepared.assets.items():
        digest, size = objects.put(path)
        found[name] = StoredFile(name=_file_name(name, path), digest=digest, size=size, media_type=_OCTETS)
    return found


def spec_of(prepared: Prepared, assets: Mapping[str, StoredFile], **facts: Any) -> tuple[JobSpec, bytes]:
    """The description and its bytes, which are the same for the same job."""
    spec = JobSpec(template=prepared.values, assets=dict(assets), **facts)
    # Not canonical JSON: the order of the axes is the order of the variants.
    return spec, spec.model_dump_json(exclude_none=True).encode()


def _values(path: Path) -> dict[str, JsonValue]:
    values = read_values(_content(path, MAX_BYTES), path.name)
    if not isinstance(values, dict):
        raise BadRequest(f"{path.name}: a template is a mapping, with `version: 1` first", code="template_invalid")
    return values


def _mapping(value: JsonValue) -> dict[str, JsonValue]:
    assert isinstance(value, dict), "it was checked"
    return value


def _content(path: Path, most_bytes: int) -> bytes:
    try:
        return read_small(path, most_bytes=most_bytes)
    except OSError as error:
        raise BadRequest(f"{path.name} cannot be read: {error.strerror}", code="template_unreadable") from None


def _below(folder: Path, text: str, where: str) -> Path:
    """A file that a template names. Nothing above its folder, whatever links lead there: a template may come from
    somebody who may not read what this process can.
    """
    root = folder.resolve()
    try:
        path = (root / text).resolve()
    except (OSError, ValueError, RuntimeError):
        raise BadRequest(f"{where}: {text!r} is no name of a file", code="template_invalid") from None
    if not path.is_relative_to(root) or path == root:
        raise BadRequest(f"{where}: {text!r} lies outside of the template's folder", code="template_invalid")
    return path


_OCTETS = "application/octet-stream"


def _file_name(name: str, path: Path) -> str:
    suffix = path.suffix if path.suffix.isascii() and path.suffix[1:].isalnum() else ""
    return f"{name[:48]}{suffix[:12]}"

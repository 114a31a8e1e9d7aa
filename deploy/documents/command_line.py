"""The command line as a reference page, from the command tree that is run."""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

from deploy.documents.markdown import code, fenced, table
from stream.cli.app import app
from stream.cli.execution import tree

HEADS = ("option", "value", "default", "meaning")


def command_line() -> str:
    """Every command that is shown to users, with its arguments and options."""
    root = tree(app)
    found = list(_commands(root, ()))
    listed = table(("command", "does"), [(_link(words), _first(command)) for words, command in found])
    common = f"## Before any command\n\n{table(HEADS, _options(root))}"
    sections = [_section(words, command) for words, command in found]
    return "\n".join([listed, common, *sections])


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, inner in getattr(command, "commands", {}).items():
        if inner.hidden:
            continue
        if getattr(inner, "commands", None):
            yield from _commands(inner, (*words, name))
        else:
            yield (*words, name), inner


def _link(words: Sequence[str]) -> str:
    return f"[`rushes {' '.join(words)}`](#rushes-{'-'.join(words)})"


def _first(command: Any) -> str:
    return _paragraphs(command)[0]


def _paragraphs(command: Any) -> list[str]:
    return [" ".join(part.split()) for part in (command.help or "").split("\n\n") if part.strip()]


def _section(words: Sequence[str], command: Any) -> str:
    usage = ["rushes", *words, *(_usage(it) for it in command.params if it.param_type_name == "argument"), "[OPTIONS]"]
    parts = [f"## rushes {' '.join(words)}\n", *(f"{text}\n" for text in _paragraphs(command))]
    parts.append(fenced(" ".join(usage), "text"))
    options = list(_options(command))
    if options:
        parts.append(table(HEADS, options))
    return "\n".join(parts)


def _usage(argument: Any) -> str:
    name = f"{argument.name.upper()}{'...' if argument.nargs == -1 else ''}"
    return name if argument.required else f"[{name}]"


def _options(command: Any) -> Iterator[tuple[str, str, str, str]]:
    for each in command.params:
        if getattr(each, "hidden", False):
            continue
        if each.param_type_name == "argument":
            names = each.name.upper()
        else:
            names = " / ".join([*each.opts, *each.secondary_opts])
        yield code(names), _value(each), _default(each), each.help or ""


def _value(parameter: Any) -> str:
    if getattr(parameter, "is_flag", False):
        return ""
    described = parameter.type_descriptor
    kind = "path" if described.is_path else _kind(described.annotation)
    bounds = (getattr(described.parameter_info, side, None) for side in ("min", "max"))
    low, high = (None if it is None else f"{it:,}".removesuffix(".0") for it in bounds)
    return kind if low is None else f"{kind}, {low} to {high}"


def _kind(annotation: Any) -> str:
    words = {"str": "text", "int": "number", "float": "number", "list[str]": "text, repeatable", "Path": "path"}
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "name"
    if (inner := getattr(annotation, "__args__", ())) and isinstance(inner[0], type) and issubclass(inner[0], Enum):
        return "name, repeatable"
    name = getattr(annotation, "__name__", "") if not getattr(annotation, "__args__", None) else str(annotation)
    return words[name]


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    if isinstance(value, bool):
        return code(parameter.secondary_opts[0]) if parameter.secondary_opts and not value else ""
    return "" if value is None else code(str(value))

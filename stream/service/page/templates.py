"""The environment of every HTML page: it escapes what is shown and makes it printable, as strangers choose names."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from stream.errors import printable


def environment(folder: Path) -> Environment:
    """Over the templates of `folder`. A name that a template misspells is an error and not a blank."""
    return Environment(
        loader=FileSystemLoader(folder),
        # The templates' names end with `.j2`, which the usual list does not have.
        autoescape=select_autoescape(["html", "j2"]),
        finalize=shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def shown(value: object) -> object:
    """A value as a page shows it."""
    # What a macro made is markup, of values that were made printable within it.
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value

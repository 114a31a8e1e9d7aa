"""Which directories the stores can work in. Their libraries make URLs of paths, and some characters do not survive."""

import os
import re
from pathlib import Path

from sinks.location import Location
from stream.errors import Fatal, printable

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_OF_A_URL = re.compile(r"[\[\]\\^|]|%[0-9A-Fa-f]{2}")
"""Delta (deltalake 1.6) decodes what looks percent-encoded once too often, and names its store by the rest."""


def unusable(directory: Path) -> str | None:
    """Why no store can lie in this directory, in words; None where one can. Links are followed, as the stores do."""
    path = os.path.realpath(directory)
    try:
        path.encode()
    except UnicodeEncodeError:
        return "its path is not UTF-8"
    if _CONTROL.search(path):
        return "its path holds a line break or another control character"
    if found := _OF_A_URL.search(path):
        return f"its path holds {found[0]!r}, which the Delta library takes for a part of a URL"
    return None


def require_usable(location: Location, store: str) -> None:
    """Raises `Fatal` (code `unusable_path`)."""
    if location.path is not None and (why := unusable(location.path)) is not None:
        where = printable(str(location))
        raise Fatal(f"{store} cannot lie in {where}: {why}; choose another directory", code="unusable_path")

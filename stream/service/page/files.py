"""The style sheet, the modules and the icon, under addresses that name their content: they can be kept for ever."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class PageFiles:
    """By name. `version`: a digest of them all, as modules load each other from the folder they are in."""

    files: Mapping[str, bytes]
    version: str

    @classmethod
    def of(cls, folder: Path) -> Self:
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in MEDIA_TYPES}
        named = "".join(f"{name} {hashlib.sha256(data).hexdigest()}\n" for name, data in files.items())
        return cls(files, hashlib.sha256(named.encode()).hexdigest()[:16])

    def url(self, name: str) -> str:
        """Raises `KeyError` for a file that is not there."""
        assert self.files[name]
        return f"/static/{self.version}/{name}"

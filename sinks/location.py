"""Where a store lies: a directory of this machine. Stores pass it on and ask it, and never take its text apart."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeAlias


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """Made by `of` from what a user named, and shown as that. `uri` is what the stores' libraries open."""

    uri: str

    @classmethod
    def of(cls, place: "Place") -> Self:
        """A location as it is; the directory that a path names."""
        return cls(place.uri if isinstance(place, Location) else str(place))

    def __str__(self) -> str:
        return self.uri

    def child(self, name: str) -> "Location":
        """What lies in it under this name."""
        return Location(str(self.directory / name))

    @property
    def path(self) -> Path | None:
        """The directory; None where it is none."""
        return Path(self.uri)

    @property
    def directory(self) -> Path:
        """`path`, for what works in directories alone."""
        path = self.path
        assert path is not None
        return path


Place: TypeAlias = Location | Path | str
"""What may name a location: callers outside the stores have paths."""

"""Where the models lie that media operators use: fetched weights by name, and folders of whole models."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from stream.errors import Unavailable


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """A file of weights, there or not. What lies at `path` was checked against the digest when it was fetched."""

    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """`weights`: by the name of a pin, its files by name. `roots`: folders, below which templates may name models."""

    weights: Mapping[str, Mapping[str, PinnedFile]] = field(default_factory=dict)
    roots: tuple[Path, ...] = ()

    def weight(self, pin: str) -> PinnedFile:
        """The file of a pin that has one. Raises `Unavailable` (`toolchain_lacks`) where it is not fetched."""
        files = self.weights.get(pin, {})
        if len(files) != 1 or not all(file.path.is_file() for file in files.values()):
            raise Unavailable(
                f"the weights {pin} are not fetched on this machine: run `rushes weights fetch {pin}`",
                code="toolchain_lacks",
            )
        (file,) = files.values()
        return file

    def folders(self) -> tuple[str, ...]:
        """What a child must be able to read, as far as it is there: the links of a cache are followed."""
        return tuple(sorted({str(folder.resolve()) for folder in self._folders() if folder.is_dir()}))

    def _folders(self) -> Iterator[Path]:
        yield from self.roots
        for files in self.weights.values():
            yield from (file.path.parent for file in files.values())

    def as_json(self) -> dict[str, Any]:
        weights = {
            pin: {name: [str(file.path), file.sha256] for name, file in files.items()}
            for pin, files in self.weights.items()
        }
        return {"weights": weights, "roots": [str(root) for root in self.roots]}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "ModelFiles":
        """Of what `as_json` gave."""
        weights = {
            pin: {name: PinnedFile(Path(path), sha256) for name, (path, sha256) in files.items()}
            for pin, files in told["weights"].items()
        }
        return cls(weights, tuple(Path(root) for root in told["roots"]))


@runtime_checkable
class UsesModels(Protocol):
    """A media operator that uses models. It is told where they are before anything else."""

    def find_models(self, models: ModelFiles) -> None: ...

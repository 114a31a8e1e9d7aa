"""What a media operator is: it is told its settings and input files, and writes output files. It knows no job."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, TypeAlias, runtime_checkable

from pydantic import JsonValue

Settings: TypeAlias = Mapping[str, JsonValue]
Part: TypeAlias = Mapping[str, JsonValue]
"""What one part of the work covers, such as a range of frames with its lead-in. JSON, small, and no paths in it. A part
with `FOLLOWS: true` takes up where the part before it ended, and is given its outputs; the first one never follows.
"""
FOLLOWS = "follows"


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work: a whole stage, one part of it, or the joining of its parts.

    `settings` as `check` returned them. `inputs`: by name, files to read; nobody writes to them. `folder`: an empty
    folder, to which the outputs are written under the names that `outputs` gives, and nothing else when it ends.
    `scratch`: a folder for what is not an output. `before`: of a part that follows another one, the folder of that
    one's outputs, to read. `report` takes the share that is done (0 to 1); it may raise to end the work, so it is
    called at least every few seconds.
    """

    settings: Settings
    inputs: Mapping[str, Path]
    folder: Path
    scratch: Path
    seed: int = 0
    part: Part | None = None
    before: Path | None = None
    report: Callable[[float], None] = lambda _share: None


class MediaOperator(Protocol):
    """Deterministic: the same settings, inputs, seed, part and `toolchain` give the same bytes, in any folder, process,
    locale and time zone, whatever ran before. No network. Files are hostile until proven otherwise, so memory and time
    are bounded whatever they claim. It runs in a child process that is killed at any time.

    Raises `BadMedia` for an input that cannot be used, and `BadRequest` from `check`; anything else is a defect.
    """

    version: ClassVar[int]
    """Raised whenever the same settings and inputs would give other bytes than before."""

    def check(self, settings: Settings, inputs: Sequence[str]) -> Settings:
        """The settings with every default filled in, which are part of the stage's key. `inputs`: the names that are
        given. Opens no file; cheap. Raises `BadRequest` (`template_invalid`) that names the field, says what is wrong
        with it and what would be right.
        """

    def outputs(self, settings: Settings) -> Mapping[str, str]:
        """Name of each output file to its media type. The first one is the output where none is named."""

    def toolchain(self, settings: Settings) -> Mapping[str, str]:
        """What else decides the bytes: builds of libraries and encoders, number of threads, digests of weights.
        Raises `Unavailable` (`toolchain_lacks`) where this machine lacks what the settings need, such as an encoder.
        """

    def divide(self, task: Task) -> Sequence[Part]:
        """The parts in which the work is done, in order: by the inputs' facts and the settings alone, never by the
        machine. Empty: the work is done as a whole, by one `render` without a part.
        """

    def render(self, task: Task) -> None:
        """Write the outputs of the part, or of the whole where `task.part` is None."""

    def join(self, task: Task, parts: Sequence[Path]) -> None:
        """Write the outputs from the folders of all parts, in their order. The result is the same whoever made the
        parts. Never called where `divide` gave nothing.
        """


@runtime_checkable
class Sized(Protocol):
    """A media operator whose work grows with what it draws, and which knows how much that is before it begins. What one
    run took then says something of others of another size.
    """

    def megapixels(self, settings: Settings, inputs: Mapping[str, float]) -> float | None:
        """Frames times width times height of the output, in millions. `inputs`: of those that are known, by name.
        `settings` as `check` returned them.
        """


@runtime_checkable
class Previewed(Protocol):
    """A media operator of which one picture shows a person what will be made."""

    def preview(self, settings: Settings) -> tuple[Part, str]:
        """The part to `render` for it, and the output that is a picture then. It takes a small share of the whole."""

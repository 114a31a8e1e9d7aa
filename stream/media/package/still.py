"""A picture of a film for people to look at. It is no operator of templates: `package` makes posters for those."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from stream.media.package.stills import poster
from stream.media.protocol import Part, Settings, Task
from stream.media.transcode.facts import facts_of

STILL = "still.jpg"


class FilmStill:
    """The picture at a tenth of its one input. Implements `MediaOperator`, for a child alone."""

    version: ClassVar[int] = 1

    def check(self, settings: Settings, inputs: Sequence[str]) -> Settings:  # noqa: ARG002 - the protocol's
        return {}

    def outputs(self, settings: Settings) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        return {STILL: "image/jpeg"}

    def toolchain(self, settings: Settings) -> Mapping[str, str]:  # noqa: ARG002 - nothing of it is stored
        return {}

    def divide(self, task: Task) -> Sequence[Part]:  # noqa: ARG002 - it is one picture
        return []

    def render(self, task: Task) -> None:
        (source,) = task.inputs.values()
        poster(source, facts_of(source, None), None, task.folder / STILL, task.scratch)

    def join(self, task: Task, parts: Sequence[Path]) -> None:  # noqa: ARG002 - never called
        raise AssertionError("there are no parts")

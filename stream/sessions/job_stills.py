"""Pictures of films among the finals of a job, drawn in a confined child for people to look at. Nothing is stored."""

from pathlib import Path
from typing import TYPE_CHECKING

from stream.errors import BadMedia, Retryable
from stream.events.objects import Digest
from stream.media.package.still import STILL
from stream.media.rendering import Renderer, RenderWork

if TYPE_CHECKING:
    from stream.pipelines.jobs import JobPipeline

MOST_STILLS = 100
"""Of a job: each of them reads a film."""
_OPERATORS = {"still": "stream.media.package.still:FilmStill"}


class FilmStills:
    """Of a tenant's films. `folder`: a temporary one. `close` it."""

    def __init__(self, jobs: "JobPipeline", tenant: str, folder: Path) -> None:
        self._objects = jobs.store.of(tenant)
        self._renderer = Renderer(folder, operators=_OPERATORS, limits=jobs.settings.limits)
        self._drawn = 0

    def of(self, film: Digest) -> Path | None:
        """A JPEG that is there until the next one is asked for; None where the film shows none, and after
        `MOST_STILLS`. Raises `LostObject`, and `Unavailable` where no child can be had.
        """
        if self._drawn >= MOST_STILLS:
            return None
        self._drawn += 1
        self._renderer.prepare()
        path = self._objects.fetch(film, self._renderer.scratch)
        try:
            work = RenderWork("begin", "still", {}, {"film": path})
            made = self._renderer.run(work, stop=lambda: False, progress=lambda _share: None)
        except (BadMedia, Retryable):
            return None  # the sheet says that there is no picture
        return made.files[STILL]

    def close(self) -> None:
        self._renderer.close()

"""Pictures of films among the finals of jobs, drawn in a confined child for people to look at. Nothing is stored."""

from pathlib import Path

from sinks.objects.store import TenantObjects
from stream.errors import BadMedia, Retryable, Unavailable
from stream.events.objects import Digest
from stream.media.package.still import STILL
from stream.media.rendering import Renderer, RenderLimits, RenderWork

MOST_STILLS = 100
"""Of a contact sheet: each of them reads a film."""
_OPERATORS = {"still": "stream.media.package.still:FilmStill"}


class FilmStills:
    """`folder`: a temporary one; `most`: so many are drawn. For one thread, with which its child ends; `close` it."""

    def __init__(self, folder: Path, limits: RenderLimits, most: int | None = None) -> None:
        self._renderer = Renderer(folder, operators=_OPERATORS, limits=limits)
        self._most = most
        self._drawn = 0

    def of(self, objects: TenantObjects, film: Digest) -> Path | None:
        """A JPEG that is there until the next one is asked for; None where the film is gone or shows none, and
        after `most`. Raises `Unavailable` where no child or no disk can be had.
        """
        if self._most is not None and self._drawn >= self._most:
            return None
        self._drawn += 1
        try:
            self._renderer.prepare()
        except OSError as error:
            raise Unavailable(f"the folder for temporary files: {error.strerror}", code="disk_full") from error
        path = objects.verified(film, self._renderer.scratch)
        if path is None:
            return None
        try:
            work = RenderWork("begin", "still", {}, {"film": path})
            made = self._renderer.run(work, stop=lambda: False, progress=lambda _share: None)
        except (BadMedia, Retryable):
            return None  # whoever asked shows that there is no picture
        return made.files[STILL]

    def close(self) -> None:
        """Ends the child; the next picture starts another one. Idempotent."""
        self._renderer.close()

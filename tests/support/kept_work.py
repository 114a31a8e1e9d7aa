"""Background work that is kept for a test to look at."""

from collections.abc import Sequence

from benchmarks.testbed.runs import run_events
from stream.errors import Unavailable
from stream.pipelines.settings import Settings
from stream.search.freshness import EventsBefore
from stream.sessions.background import Done, NewFootage


class KeptWork:
    """`BackgroundWork` that does nothing but remember. While it is `away` nothing can be published, and with `refused`
    nothing is taken.
    """

    def __init__(self) -> None:
        self.publications: list[NewFootage] = []
        self.away = False
        self.refused: str | None = None
        self.words: str | None = None
        self.before: EventsBefore | None = None

    def publish(self, publication: NewFootage, done: Done) -> None:
        if self.away:
            raise Unavailable("nobody is there", code="broker_unavailable")
        self.publications.append(publication)
        done(self.refused)

    def replay(self, letter_ids: Sequence[str]) -> None:
        raise Unavailable("nobody is there", code="broker_unavailable")

    def replaying(self) -> frozenset[str]:
        return frozenset()

    def trouble(self) -> str | None:
        return self.words

    def before_index(self) -> EventsBefore | None:
        return self.before


class WorkedOn(KeptWork):
    """Works on what is published, in this process."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def publish(self, publication: NewFootage, done: Done) -> None:
        run_events(self._settings, [publication.event()])
        super().publish(publication, done)

"""Work that a service hands on to a topology, as it does none itself: new footage, and replays of dead letters."""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field

from sinks.dead_letters import DeadLetterFilter, DeadLetters
from stream.events.asset import AssetPublished, Priority, Profile
from stream.events.base import Event
from stream.search.freshness import EventsBefore
from stream.sessions.replay import Replay


class NewFootage(BaseModel):
    """Footage that the service took in, or was told of, for its tenant. `publication_id` is the id of the event,
    `source` what it says of where it comes from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    publication_id: str
    tenant: str
    project: str
    region: str
    asset_id: str
    uri: str
    size_bytes: int | None
    profile: Profile
    priority: Priority = "interactive"
    labels: dict[str, str]
    published_ms: int
    source: str = "upload"

    @classmethod
    def of(cls, event: Event[AssetPublished]) -> Self:
        """What `event` gives back, but for the trace: each hand-over begins its own."""
        data = event.data
        return cls(
            publication_id=event.id,
            tenant=event.tenant,
            project=event.project,
            region=event.region,
            asset_id=data.identity(),
            uri=data.uri,
            size_bytes=data.size_bytes,
            profile=data.profile,
            priority=data.priority,
            labels=dict(data.labels),
            published_ms=event.event_time_ms,
            source=event.source,
        )

    def event(self) -> Event[AssetPublished]:
        """As a producer would send it. Raises `ValueError` for what no event may have."""
        data = AssetPublished(
            uri=self.uri,
            asset_id=self.asset_id,
            size_bytes=self.size_bytes,
            profile=self.profile,
            priority=self.priority,
            labels=self.labels,
        )
        return Event(
            data=data,
            tenant=self.tenant,
            project=self.project,
            region=self.region,
            subject=data.identity(),
            event_time_ms=self.published_ms,
            id=self.publication_id,
            source=self.source,
        )


Done = Callable[[str | None], None]
"""Told once: None where the event is safe, else the code of why it was refused."""


class BackgroundWork(Protocol):
    """Thread-safe."""

    def publish(self, publication: NewFootage, done: Done) -> None:
        """Publish it; one with the same id that is under way is published once. `done` is not called where the process
        ends before: then publish it again. Raises `Unavailable`.
        """

    def replay(self, letter_ids: Sequence[str]) -> None:
        """Send the records of these dead letters again, each once however often it is asked for meanwhile. Raises
        `Unavailable` where that cannot be; then none of those that are left was counted as a replay.
        """

    def replaying(self) -> frozenset[str]:
        """Dead letters that wait to be sent again, or are being processed."""

    def trouble(self) -> str | None:
        """In words, why nothing is done now; None where that is not known."""

    def before_index(self) -> EventsBefore | None:
        """What others published and the index has not been told of; None where nobody else publishes."""


class WorkItem(BaseModel):
    """One line to a process that works for a service."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    item_id: str
    letter_ids: tuple[str, ...] = ()
    publication: NewFootage | None = None


class WorkReport(BaseModel):
    """One line from it. `begun`: to begin again would count a second replay. `done`: everything of it is final.
    `refused`: it cannot be done, as `reason` says.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    item_id: str
    state: Literal["begun", "done", "refused"]
    reason: str | None = Field(None, description="An error code.")


def replay_of_letters(store: DeadLetters, letter_ids: Iterable[str]) -> Replay:
    """Of those that are still there, in whatever state."""
    return Replay.of(store, DeadLetterFilter(letter_ids=tuple(letter_ids), states=()))

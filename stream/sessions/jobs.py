"""Work that a service hands on to a topology, as it does none itself: replays of dead letters."""

from collections.abc import Iterable, Sequence
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from sinks.dead_letters import DeadLetterFilter, DeadLetters
from stream.sessions.replay import Replay


class Jobs(Protocol):
    """Thread-safe."""

    def replay(self, letter_ids: Sequence[str]) -> None:
        """Send the records of these dead letters again, each once however often it is asked for meanwhile. Raises
        `Unavailable` where that cannot be; then none of those that are left was counted as a replay.
        """

    def replaying(self) -> frozenset[str]:
        """Dead letters that wait to be sent again, or are being processed."""


class Job(BaseModel):
    """One line to a process that works for a service."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    job_id: str
    letter_ids: tuple[str, ...]


class JobReport(BaseModel):
    """One line from it. `begun`: to begin again would count a second replay. `done`: everything of it is final."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    job_id: str
    state: Literal["begun", "done"]


def replay_of_letters(store: DeadLetters, letter_ids: Iterable[str]) -> Replay:
    """Of those that are still there, in whatever state."""
    return Replay.of(store, DeadLetterFilter(letter_ids=tuple(letter_ids), states=()))

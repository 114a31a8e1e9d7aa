"""The states of jobs and variants, and what each means to a person."""

from enum import StrEnum

from stream.jobs.template import LANES, Lane


class JobState(StrEnum):
    RUNNING = "running"
    """Its variants are worked on, or wait for their turn."""
    PAUSED = "paused"
    """No new part is begun until somebody resumes it."""
    BUDGET_EXHAUSTED = "budget_exhausted"
    """The next part would exceed its budget, or its tenant's; a raised budget lets it go on."""
    DONE = "done"
    """Every variant is finished."""
    PARTIAL = "partial"
    """Some variants are finished and others failed; the table says why."""
    FAILED = "failed"
    """No variant could be finished."""
    BLOCKED = "blocked"
    """Finals of some variants are held back by the template's moderation, until somebody releases them."""
    CANCELED = "canceled"
    """Somebody stopped it; what was finished stays."""

    @property
    def ended(self) -> bool:
        """Whether nothing more happens without somebody's command."""
        return self in {JobState.DONE, JobState.PARTIAL, JobState.FAILED, JobState.BLOCKED, JobState.CANCELED}


class VariantState(StrEnum):
    WAITING = "waiting"
    """Not begun."""
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    BLOCKED = "blocked"
    """Made, and held back by the template's moderation."""
    CANCELED = "canceled"


def rank_of(lane: Lane) -> int:
    """Smaller ranks are served first."""
    return LANES.index(lane)


def outcome_of(*, done: int, failed: int, blocked: int, canceled: bool) -> JobState:
    """The state of a job whose variants have all ended."""
    if canceled:
        return JobState.CANCELED
    if blocked:
        return JobState.BLOCKED
    if not failed:
        return JobState.DONE
    return JobState.PARTIAL if done else JobState.FAILED

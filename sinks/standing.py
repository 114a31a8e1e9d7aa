"""What an asset version has come to (pure): its cells' outcomes, joined, as a status with a reason in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from sinks.receipts import Receipt
from sinks.retirement import Retirement
from stream.events.asset import AssetStatus, Outcome, Priority, Profile
from stream.events.grid import segment_range, timecode
from stream.events.ids import LEFT_OUT, AssetVersion, kept_uri

SUPERSEDED = "superseded"
"""The code of a version whose source changed before it was decoded."""
NOT_KEPT = "uri_not_kept"
_NOT_KEPT_REASON = (
    "some of its segments are gone, and the query of its uri, which may be a secret, is not kept; publish it again"
)


class Attempt(BaseModel):
    """One version of an asset as plan announced it; `content_key` is None where it could not be planned.

    `announced` is the status last told to the producer, `superseded` how many cells the source had changed under then,
    `replanned` that a new publication was asked for. The uri is kept without its secrets; a `lost` version waits for
    cells which only the whole uri could bring.
    """

    model_config = ConfigDict(frozen=True)
    version: AssetVersion
    project: str
    uri: Annotated[str, AfterValidator(kept_uri)] = ""
    labels: dict[str, str] = {}
    content_key: str | None = None
    segment_count: int = 0
    duration_ns: int = 0
    source_timecode: str | None = None
    file_offset_ns: int = 0
    assumed: tuple[int, ...] = ()
    profile: Profile = "full"
    priority: Priority = "interactive"
    retention_days: int | None = None
    code: str | None = None
    reason: str | None = None
    announced: AssetStatus | None = None
    superseded: int = 0
    replanned: bool = False
    lost: bool = False

    @property
    def has_whole_uri(self) -> bool:
        """Whether it still names what was published: a query may be all that tells two objects apart."""
        return "://" not in self.uri or not self.uri.endswith(LEFT_OUT)

    def joined(self, other: "Attempt") -> "Attempt":
        """Two words of plan about one version: planned beats failed, assumptions add up. Order never matters."""
        first, second = sorted((self, other), key=lambda item: (item.content_key is None, item.model_dump_json()))
        return first.model_copy(
            update={
                "assumed": tuple(sorted({*first.assumed, *second.assumed})),
                "announced": self.announced,
                "superseded": self.superseded,
                "replanned": self.replanned or other.replanned,
                "lost": self.lost or other.lost,
            }
        )

    def relies_on(self, content_key: str, segment: int, version: AssetVersion) -> bool:
        """Whether what `version` made of this cell may count for this attempt: plan assumed it, or it is not older."""
        return content_key == self.content_key and (version >= self.version or segment in self.assumed)


@dataclass(frozen=True, slots=True)
class CellOutcome:
    """The highest version that did the cell, in any space, and the newest failure."""

    done: AssetVersion | None = None
    failure: Receipt | None = None

    def joined(self, item: Receipt) -> "CellOutcome":
        if item.outcome is Outcome.DONE:
            return CellOutcome(max(item.version, self.done or item.version), self.failure)
        rank = (item.version, item.outcome.rank)
        if self.failure is not None and rank <= (self.failure.version, self.failure.outcome.rank):
            return self
        return CellOutcome(self.done, item)


Outcomes = Mapping[str, Mapping[int, CellOutcome]]
"""By content key, then by segment."""


def outcomes_of(receipts: Iterable[Receipt]) -> Outcomes:
    found: dict[str, dict[int, CellOutcome]] = {}
    for item in receipts:
        cells = found.setdefault(item.content_key, {})
        cells[item.segment] = cells.get(item.segment, CellOutcome()).joined(item)
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """Status of one attempt. `missing_ns`: half-open ranges of settled cells that have no rows. `superseded`: so many
    of them because the source changed.
    """

    status: AssetStatus
    done: int = 0
    missing_ns: tuple[tuple[int, int], ...] = ()
    code: str | None = None
    reason: str | None = None
    superseded: int = 0


def standing(attempt: Attempt, outcomes: Outcomes, retirement: Retirement) -> Standing:
    """An outcome counts if its version is not older than the attempt's, or if plan assumed the cell done."""
    if attempt.content_key is None:
        return Standing(AssetStatus.FAILED, code=attempt.code, reason=attempt.reason)
    cells = outcomes.get(attempt.content_key, {})
    assumed = set(attempt.assumed)
    done = 0
    failures: dict[int, Receipt] = {}
    for segment in range(attempt.segment_count):
        cell = cells.get(segment)
        if cell is None:
            continue
        since = None if segment in assumed else attempt.version
        if _counts(cell.done, since, attempt.content_key, retirement):
            done += 1
        elif cell.failure and _counts(cell.failure.version, since, attempt.content_key, retirement):
            failures[segment] = cell.failure
    return _judged(attempt, done, failures)


def _counts(version: AssetVersion | None, since: AssetVersion | None, content_key: str, retirement: Retirement) -> bool:
    if version is None or retirement.voids(content_key, version):
        return False
    return since is None or version >= since


def _judged(attempt: Attempt, done: int, failures: Mapping[int, Receipt]) -> Standing:
    if done == attempt.segment_count:
        return Standing(AssetStatus.READY, done)
    missing = _ranges(sorted(failures), attempt.duration_ns)
    superseded = sum(item.outcome is Outcome.SUPERSEDED for item in failures.values())
    if done + len(failures) < attempt.segment_count:
        if attempt.lost:
            status = AssetStatus.PARTIAL if done else AssetStatus.FAILED
            return Standing(status, done, missing, NOT_KEPT, _NOT_KEPT_REASON)
        return Standing(AssetStatus.PLANNED, done, missing)
    status = AssetStatus.PARTIAL if done else AssetStatus.FAILED
    code = SUPERSEDED if superseded else _telling(failures).code
    return Standing(status, done, missing, code, _reason(attempt, failures, missing), superseded)


def _telling(failures: Mapping[int, Receipt]) -> Receipt:
    """The failure that says most: that the source changed, which voids all the others, else the first."""
    superseded = [segment for segment, item in failures.items() if item.outcome is Outcome.SUPERSEDED]
    return failures[min(superseded or failures)]


def _reason(attempt: Attempt, failures: Mapping[int, Receipt], missing: tuple[tuple[int, int], ...]) -> str:
    first = _telling(failures)
    shown = ", ".join(f"{timecode(start)}-{timecode(end)}" for start, end in missing[:5])
    more = f" and {len(missing) - 5} more ranges" if len(missing) > 5 else ""
    why = first.message or first.code
    if first.outcome is Outcome.SUPERSEDED:
        why = "the source changed while it was being read; publish it again"
    return f"{len(failures)} of {attempt.segment_count} segments missing ({shown}{more}): {why}"[:2000]


def _ranges(segments: list[int], duration_ns: int) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for start, end in (segment_range(segment, duration_ns) for segment in segments):
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return tuple(merged)
